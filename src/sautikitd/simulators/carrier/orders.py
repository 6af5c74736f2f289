"""What the carrier is asked over HTTP: a call to place, with the script of its caller."""

from typing import Annotated
from uuid import UUID

import msgspec

from sautikitd.simulators.carrier.steps import AnyStep, AwaitAnswer, HangUp, Listen, Press, Say, Steps, Wait

_LONGEST_S = 3600

Seconds = Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_S)]
Number = Annotated[str, msgspec.Meta(pattern=r"^(\+?[0-9]{1,15}|anonymous)\Z")]
Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.:_-]{1,253}\Z")]


class OrderInvalid(ValueError):
    """The order makes no sense; the message says where and why."""


class ScriptStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `wait`, `press`, `say`, `listen`, `hangup`; `language` (BCP 47) goes with `say`."""

    wait: Seconds | None = None
    press: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-DwW]{1,64}\Z")] | None = None
    say: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    language: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")] | None = None
    listen: Seconds | None = None
    hangup: bool | None = None

    def step(self) -> AnyStep:
        """Raises `OrderInvalid`."""
        given = [
            name for name in ("wait", "press", "say", "listen", "hangup") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise OrderInvalid("each step is exactly one of wait, press, say, listen, hangup")
        if self.language is not None and self.say is None:
            raise OrderInvalid("language goes with say")
        if self.wait is not None:
            return Wait(self.wait)
        if self.press is not None:
            return Press(self.press)
        if self.say is not None:
            return Say(self.say, self.language or "en-KE")
        if self.listen is not None:
            return Listen(self.listen)
        if not self.hangup:
            raise OrderInvalid("hangup is true or absent")
        return HangUp()


class CallOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A simulated caller: who calls whom, where the SIP goes (UDP), and what the caller does once answered."""

    call_id: UUID
    from_: Number
    to: Number
    host: Host
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    script: Annotated[list[ScriptStep], msgspec.Meta(max_length=100)] = []

    def steps(self) -> Steps:
        """The answer, the script, then listening until the far end hangs up. Raises `OrderInvalid`."""
        return (AwaitAnswer(), *(step.step() for step in self.script), Listen())


def read_order(body: bytes) -> tuple[CallOrder, Steps]:
    """Raises `OrderInvalid`."""
    try:
        order = msgspec.json.decode(body, type=CallOrder)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OrderInvalid(str(error)) from None
    return order, order.steps()
