"""A party of another node, whom one of ours talks with in a room over both."""

import asyncio
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy
from sautikitd.calls.replaced import Holder
from sautikitd.flow.port import Dialled
from sautikitd.node.dialling.meeting import Meeting
from sautikitd.node.dialling.party import Party, Side, TalkBridge
from sautikitd.rooms.models import LeaveReason
from sautikitd.voice.sip.dialog import DialogKey


class Away(Side):
    """Of a `Meeting` that has begun. His leg, its money and its end are his own node's."""

    def __init__(self, meeting: Meeting) -> None:
        self._meeting = meeting
        self._ending: asyncio.Task[None] | None = None

    @property
    def seat_id(self) -> UUID:
        """By which his node names him."""
        return self._meeting.other.id

    @property
    def met_in(self) -> UUID:
        """The seat of our party, by which his node names ours."""
        return self._meeting.seat_id

    @property
    def holder(self) -> Holder:
        return Holder(self._meeting.other.call_id, self._meeting.other.node_id)

    @property
    def here(self) -> bool:
        return self._meeting.here

    @property
    def dialog_key(self) -> DialogKey | None:
        return None  # of another node

    async def gone(self) -> None:
        await self._meeting.gone()

    def end(self) -> None:
        """His node does it, when it sees why we left."""
        self._ending = asyncio.ensure_future(self._meeting.leave(LeaveReason.TRANSFERRED))

    async def who_ended(self) -> HangupBy:
        hung_up = not self.here and await self._meeting.how_he_left() is LeaveReason.HANGUP
        return HangupBy.CALLER if hung_up else HangupBy.PLATFORM

    async def close(self, left_by: Side) -> CallRecord | None:
        """Gives our seat back. None where ours left first: then his leg has not ended yet."""
        if self.here:
            hung_up = await left_by.who_ended() is HangupBy.CALLER
            await self._meeting.leave(LeaveReason.HANGUP if hung_up else LeaveReason.LEFT)
            return None
        await self._meeting.leave(LeaveReason.LEFT)  # what is in the row stays
        if await self._meeting.how_he_left() is LeaveReason.TRANSFERRED:
            left_by.end()
        return await self._meeting.his_leg()

    def finish(self, became: Dialled | CallRecord | None) -> None:
        """His own node tells his flow."""

    def bridge_to(self, near: Party) -> TalkBridge:
        return self._meeting
