"""A bridge room in which a party of ours meets one of another node: each node has its own party in a seat of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from uuid import UUID

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.node.dialling.party import Party
from sautikitd.node.dialling.transfer_books import TransferBooks
from sautikitd.node.rooms.pair import Pair
from sautikitd.node.rooms.seat import RoomParts, SeatFailed
from sautikitd.rooms.models import LeaveReason, Room, Seat
from sautikitd.voice.media.client import MediaLost, MediaRefused

log = structlog.get_logger(__name__)

_COMES_WITHIN_S = 5.0


class Meeting:
    """Our party's half: `begin`; where that went well, what a conversation opens and closes, until `leave`."""

    def __init__(
        self, party: Party, parts: RoomParts, books: TransferBooks, room: Room, own: Seat, other: Seat
    ) -> None:
        self.party = party
        self.other = other
        self._parts = parts
        self._books = books
        self._own = own
        self._at_home = room.node_id == parts.books.node_id
        self._seat = parts.seat(party.leg, room, own)
        self._pair = Pair(party.leg, self._seat, parts.books)
        self._following = ExitStack()

    @property
    def seat_id(self) -> UUID:
        """By which the other node names our party."""
        return self._own.id

    @property
    def here(self) -> bool:
        """Whether the other one is still there."""
        return self._seat.now is not None

    async def gone(self) -> None:
        """Waits until one of the two has left."""
        await self._seat.gone()

    async def begin(self, out_of_bridge: Callable[[], Awaitable[None]]) -> bool:
        """Whether the two have met; `out_of_bridge` leaves whom our party has talked with so far. Where they have not,
        it is called off.

        The node of the room seats its own party first: until then the other one lets its two talk on.
        """
        self._following.enter_context(self._parts.books.board.followed())
        try:
            if self._at_home or await self._seated(self.other):
                await out_of_bridge()
                await self._seat.connect(self.party.call)
                self._pair.start()
                if await self._seated(self._own, self.other):
                    return True
        except SeatFailed as exc:
            log.warning("node.seat_failed", call_id=str(self.party.call_id), error=str(exc))
        await self.call_off()
        return False

    async def call_off(self) -> None:
        """They do not meet here: the other node sees the room end."""
        await self.leave(LeaveReason.FAILED)

    async def open(self) -> None:
        """Our party hears the other one again. Raises `MediaLost`, `MediaRefused`."""
        try:
            await self._seat.step_in(self.party.call)
            self._pair.start()
        except SeatFailed as exc:
            raise MediaRefused(str(exc)) from exc
        except (MediaLost, MediaRefused):
            if not self.party.leg.ended:
                raise

    async def close(self) -> None:
        """Takes our party's sound out; his seat stays his."""
        self._pair.stop()
        try:
            await self._seat.step_out()
        except (MediaLost, MediaRefused) as exc:  # it ended in this moment
            log.debug("node.seat_gone", call_id=str(self.party.call_id), error=str(exc))

    async def leave(self, reason: LeaveReason) -> None:
        """Gives our seat back, and so ends the room. Harmless to repeat."""
        self._pair.stop()
        await self._seat.leave(reason)
        self._following.close()

    async def how_he_left(self) -> LeaveReason | None:
        """None where he is still there, or nobody can tell."""
        try:
            seat = await self._parts.books.seat(self.other.id)
        except DatabaseUnavailable as exc:
            log.warning("node.end_unknown", call_id=str(self.party.call_id), error=repr(exc))
            return None
        return LeaveReason(seat.leave_reason) if seat is not None and seat.leave_reason else None

    async def his_leg(self) -> CallRecord | None:
        """The other party's leg as it is in the books, where it was dialled and not one that runs a flow."""
        try:
            return await self._books.dialled_leg(self.party.call, self.other.call_id)
        except DatabaseUnavailable as exc:
            log.warning("node.end_unknown", call_id=str(self.party.call_id), error=repr(exc))
            return None

    async def _seated(self, *seats: Seat) -> bool:
        """Waits until these are connected; False when one was given back, our party has gone or it takes too long."""
        board = self._parts.books.board
        await board.look()
        patience = asyncio.ensure_future(self._parts.clock.sleep(_COMES_WITHIN_S))
        leaving = asyncio.ensure_future(self.party.gone())
        try:
            while True:
                seen, present = board.version, board.seats(self._own.room_id)
                rows = [present.get(seat.id) for seat in seats]
                if patience.done() or not self.party.here or None in rows:
                    return False
                if all(row is not None and row.seated_at for row in rows):
                    return True
                await board.beyond_or(seen, patience, leaving)
        finally:
            patience.cancel()
            leaving.cancel()
