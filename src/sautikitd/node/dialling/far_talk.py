"""A conversation whose other party is on another node: each node has its own party in a seat of one bridge room."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.node.dialling.party import Party
from sautikitd.node.dialling.transfer_books import TransferBooks
from sautikitd.node.rooms.pair import Pair
from sautikitd.node.rooms.seat import RoomParts, SeatFailed
from sautikitd.rooms.models import LeaveReason, Room, Seat

log = structlog.get_logger(__name__)

_COMES_WITHIN_S = 5.0


class FarTalk:
    """Our party's half: `begin`, and where that went well `run`; else `call_off`."""

    def __init__(
        self, party: Party, parts: RoomParts, books: TransferBooks, room: Room, own: Seat, other: Seat
    ) -> None:
        self._party = party
        self._parts = parts
        self._books = books
        self._own = own
        self._other = other
        self._at_home = room.node_id == parts.books.node_id
        self._seat = parts.seat(party.leg, room, own)
        self._pair = Pair(party.leg, self._seat, parts.books)
        self._following = ExitStack()

    async def begin(self, out_of_bridge: Callable[[], Awaitable[None]]) -> bool:
        """Whether the two have met; `out_of_bridge` leaves whom our party has talked with so far. Where they have not,
        it is called off.

        The node of the room seats its own party first: until then the other one lets its two talk on.
        """
        self._following.enter_context(self._parts.books.board.followed())
        try:
            if self._at_home or await self._seated(self._other):
                await out_of_bridge()
                await self._seat.connect(self._party.call)
                self._pair.start()
                if await self._seated(self._own, self._other):
                    return True
        except SeatFailed as exc:
            log.warning("node.seat_failed", call_id=str(self._party.call_id), error=str(exc))
        await self.call_off()
        return False

    async def call_off(self) -> None:
        """They do not meet here: the other node sees the room end."""
        self._pair.stop()
        await self._seat.leave(LeaveReason.FAILED)
        self._following.close()

    async def run(self) -> None:
        """Until one of the two has gone, and ours is through with it."""
        leaving = [asyncio.ensure_future(one) for one in (self._seat.gone(), self._party.gone())]
        either: set[asyncio.Future[Any]] = set(leaving)
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in leaving:
                waiting.cancel()
        by, record = (HangupBy.PLATFORM, None) if not self._party.here else await self._his_end()
        try:
            self._pair.stop()
            await self._party.close_by(by)  # in the books before the other node looks there
            await self._seat.leave(await self._reason())
        finally:
            self._following.close()
            self._party.finish(record)

    async def _seated(self, *seats: Seat) -> bool:
        """Waits until these are connected; False when one was given back, our party has gone or it takes too long."""
        board = self._parts.books.board
        await board.look()
        patience = asyncio.ensure_future(self._parts.clock.sleep(_COMES_WITHIN_S))
        leaving = asyncio.ensure_future(self._party.gone())
        try:
            while True:
                seen, present = board.version, board.seats(self._own.room_id)
                rows = [present.get(seat.id) for seat in seats]
                if patience.done() or not self._party.here or None in rows:
                    return False
                if all(row is not None and row.seated_at for row in rows):
                    return True
                await board.beyond_or(seen, patience, leaving)
        finally:
            patience.cancel()
            leaving.cancel()

    async def _his_end(self) -> tuple[HangupBy, CallRecord | None]:
        """Who has ended it, and the other party's leg as it ended, where it was dialled."""
        try:
            seat = await self._parts.books.seat(self._other.id)
            record = await self._books.dialled_leg(self._party.call, self._other.call_id)
        except DatabaseUnavailable as exc:
            log.warning("node.end_unknown", call_id=str(self._party.call_id), error=repr(exc))
            return HangupBy.PLATFORM, None
        hung_up = seat is not None and seat.leave_reason == LeaveReason.HANGUP
        return HangupBy.CALLER if hung_up else HangupBy.PLATFORM, record

    async def _reason(self) -> LeaveReason:
        leg = self._party.leg
        hung_up = leg.ended and (await leg.gone()).by is not HangupBy.PLATFORM
        return LeaveReason.HANGUP if hung_up else LeaveReason.LEFT
