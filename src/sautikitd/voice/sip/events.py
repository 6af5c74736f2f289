"""What a call tells its owner, in order, until it is over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.causes import Reason, cause_of
from sautikitd.voice.sip.dialog import DialogState
from sautikitd.voice.sip.referral import Referral
from sautikitd.voice.sip.sdp import Direction


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer above 100. With `sdp` the network plays something: early media."""

    code: int
    reason: str
    sdp: bytes | None = None
    remote_tag: str | None = None  # which branch of a forked call this is
    alert: str | None = None  # Alert-Info


@dataclass(frozen=True, slots=True)
class Silent:
    """Nobody has answered our INVITE in any way, not even by 100, for as long as its owner was ready to wait.

    It goes on all the same: an answer may still come, and `cancel` gives the call up.
    """


@dataclass(frozen=True, slots=True)
class Answered:
    """200 to our INVITE, already acknowledged. `sdp` is the answer, the early one if the 200 had none."""

    sdp: bytes | None
    dialog: DialogState


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK for our 200 came: the caller is where he says he is.

    `sdp`: his answer, when his INVITE had no offer and our 200 made one.
    """

    sdp: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of an outbound call without an answer. `local`: no answer came, the code is ours (408, 503)."""

    code: int
    reason: str
    cause: HangupCause
    local: bool = False
    reasons: tuple[Reason, ...] = ()
    contacts: tuple[str, ...] = ()  # URIs of a 3xx; whether one may be followed is the owner's decision
    retry_after: int | None = None  # seconds, from a 503 and its like


@dataclass(frozen=True, slots=True)
class Canceled:
    """The end of an inbound call that the caller gave up before our answer (CANCEL, or BYE to a ringing call)."""

    cause: HangupCause = HangupCause.CANCELED
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteBye:
    """The end of a call: the far end hung up."""

    reasons: tuple[Reason, ...] = ()

    @property
    def cause(self) -> HangupCause:
        told = next((r for r in self.reasons if r.protocol == "Q.850" and r.cause not in (16, 31)), None)
        return HangupCause.NORMAL_CLEARING if told is None else cause_of(480, (told,))


@dataclass(frozen=True, slots=True)
class Lost:
    """The end of a call whose far end is gone: no ACK for our 200, no way to him, or our agent stops."""

    cause: HangupCause = HangupCause.TIMEOUT


@dataclass(frozen=True, slots=True)
class Reinvite:
    """The far end changed or refreshed the session; it has been answered with `answer` already.

    `we_offered`: he asked for our offer instead, which is `answer`; then `offer` is his answer.
    `direction` is the far end's (sendonly and inactive are hold); None when no SDP came with it.
    """

    offer: bytes | None
    answer: bytes | None
    direction: Direction | None
    we_offered: bool = False


@dataclass(frozen=True, slots=True)
class Info:
    """An INFO. `digit` and `duration_ms` are set for application/dtmf-relay and application/dtmf."""

    content_type: str
    body: bytes
    digit: str | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER inside the call; whoever reads this must accept or refuse it."""

    referral: Referral


Event = (
    Progress
    | Silent
    | Answered
    | Acknowledged
    | Failed
    | Canceled
    | RemoteBye
    | Lost
    | Reinvite
    | Info
    | Referred
)
FINAL = (Failed, Canceled, RemoteBye, Lost)


class EventStream:
    """The events of one call, for one reader. Iteration ends after a final event or our own hang-up."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._ended = False

    @property
    def ended(self) -> bool:
        return self._ended

    def push(self, event: Event) -> None:
        if not self._ended:
            self._queue.put_nowait(event)
            if isinstance(event, FINAL):
                self.end()

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._queue.put_nowait(None)

    async def next(self) -> Event | None:
        """The next event; None (for ever) once the call is over and all have been read."""
        event = await self._queue.get()
        if event is None:
            self._queue.put_nowait(None)
        return event

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event
