"""Another way for a leg whose trunk failed it before anybody's phone rang."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip import events, sdp
from sautikitd.voice.sip.outbound import OutboundCall

if TYPE_CHECKING:
    from sautikitd.voice.engine import Route

_ABOUT_THE_CALLEE = {
    HangupCause.USER_BUSY,
    HangupCause.NO_ANSWER,
    HangupCause.CALL_REJECTED,
    HangupCause.UNWANTED,
    HangupCause.UNALLOCATED_NUMBER,
    HangupCause.NUMBER_CHANGED,
    HangupCause.INVALID_NUMBER,
    HangupCause.MEDIA_INCOMPATIBLE,
    HangupCause.CANCELED,
    HangupCause.LOST_RACE,
}
_NOT_LET_IN = (401, 407)

Sent = tuple[OutboundCall, sdp.Sdp]
"""An INVITE that is out, and the offer it carries."""

Detour = Callable[[events.Event], Awaitable[Sent | None]]
"""Sends the leg another way; None where there is none, or the leg has ended meanwhile."""


@dataclass(frozen=True, kw_only=True)
class WayFailed:
    """What a trunk answered, or that it did not. `unreachable`: nobody spoke, so the next call had better not try it."""

    why: str
    unreachable: bool


def failure_of_the_way(event: events.Event) -> WayFailed | None:
    """What the event says against the trunk; None when it says nothing, or speaks of the callee.

    Against the trunk: silence, no way to it, a 5xx whose Reason does not name the callee (gateways fold busy and
    unallocated into 500 and 503, RFC 3398 §7.2.4.1), and credentials it does not take. Other 4xx, and 6xx, are the
    callee's answer: another trunk would only hear it again.
    """
    match event:
        case events.Silent():
            return WayFailed(why="no answer to INVITE", unreachable=True)
        case events.Failed() if event.cause in _ABOUT_THE_CALLEE:
            return None
        case events.Failed() if event.local:
            return WayFailed(why=f"could not be reached: {event.reason}", unreachable=True)
        case events.Failed() if event.code // 100 == 5 or event.code in _NOT_LET_IN:
            return WayFailed(
                why=f"answered INVITE with {event.code} {event.reason}".rstrip(), unreachable=False
            )
    return None


class WayFinder(Protocol):
    """Finds one leg its other ways. `patience_s` is how long a trunk may say nothing at all."""

    @property
    def patience_s(self) -> float: ...

    async def another(self, failed: WayFailed) -> tuple[dict[str, Any], "Route"] | None:
        """The next trunk, with what `prepare` made for it, stored already; None when there is no other."""
        ...
