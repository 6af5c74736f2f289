"""A leg that was sent out for a caller, as the node has it while it rings and talks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.outbound_leg import OutboundLeg


@dataclass(frozen=True)
class LegCall:
    """A dialled leg as a running call of its own, so that it can be hung up by its own id."""

    leg: MediaLeg

    @property
    def legs(self) -> Sequence[MediaLeg]:
        return [self.leg]

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None:
        self.leg.end(cause, by=by)


@dataclass(eq=False)
class Rung:
    """`watch` keeps its talk within its money. While it is `talking`, its conversation ends it, and not who dialled it."""

    record: CallRecord
    leg: OutboundLeg
    watch: "asyncio.Task[None] | None" = None
    talking: bool = False
    closing: "asyncio.Task[CallRecord | None] | None" = None
