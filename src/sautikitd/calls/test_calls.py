"""`POST /v1/test/calls`: a simulated caller rings a number of the workspace (contract §9)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.models import Call, CallRecord
from sautikitd.calls.rates import inbound_rate
from sautikitd.calls.receiving import inbound_columns
from sautikitd.calls.session_ids import SessionIds
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.errors import Refusal
from sautikitd.http.checks import Circumstances, Fault, present, rule
from sautikitd.http.fields import check_telephone
from sautikitd.identity.principal import Principal
from sautikitd.numbering.parse import parse_number
from sautikitd.numbering.problems import BadNumber
from sautikitd.numbers.lookup import number_for_call

DEFAULT_CALLER = "+254711000001"


class TestModeOnly(Refusal):
    __test__ = False  # no test class of pytest's, though its name begins so
    code = "test.live_key"
    status = 403
    message = "This address works with a test key (tsk_test_…) only: no phone is rung, no money moves."


def _check_telephone(raw: str, given: Circumstances) -> Iterator[Fault]:
    """As in test mode: what a live key asks here is refused for its mode, not for the number."""
    return check_telephone(raw, replace(given, mode="test"))


TestTelephone = Annotated[str, msgspec.Meta(extra={"policy": _check_telephone})]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing the simulated caller does; exactly one of the fields, and `language` beside `say`."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = None
    press: Annotated[str, msgspec.Meta(pattern="^[0-9*#A-DwW]{1,64}$")] | None = None
    say: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    language: Literal["en-KE", "sw-KE"] | None = None
    listen: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = None
    hangup: Literal[True] | None = None

    @rule
    def is_one_thing(self, _: Circumstances) -> Iterator[Fault]:
        given = present(self, ("wait", "press", "say", "listen", "hangup"))
        if len(given) != 1:
            problem = f"a step is exactly one of wait, press, say, listen, hangup; this one has {len(given)}"
            yield Fault("", problem)


class RingNumber(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """Rings `to`, a claimed test number. Without a script the caller listens until he is hung up on."""

    to: TestTelephone
    from_: TestTelephone = DEFAULT_CALLER
    script: Annotated[list[Step], msgspec.Meta(max_length=50)] = []


class RungCall(msgspec.Struct, frozen=True):
    call_id: UUID
    session_id: str
    status: str
    call: Call


class TestCalls:
    """Makes inbound calls that a voice node claims like any other, and has the carrier place."""

    __test__ = False

    def __init__(self, sessions: SessionIds, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def ring(self, connection: Connection, principal: Principal, wish: RingNumber) -> CallRecord:
        if principal.mode != "test":
            raise TestModeOnly
        caller = parse_number(wish.from_, test_mode=True)
        assert not isinstance(caller, BadNumber)
        number = await number_for_call(
            connection, principal.workspace_id, principal.mode, wish.to, pointer="/to", principal=principal
        )
        now = self._clock.now()
        rate = await inbound_rate(connection, principal.workspace_id, caller.e164, now)
        columns = inbound_columns(number, caller.e164, caller.country, rate, now) | {
            "session_id": await self._sessions.take(connection),
            "test_script": [msgspec.to_builtins(step) for step in wish.script],
            "api_key_id": principal.id,
        }
        return await repository.insert(connection, columns)
