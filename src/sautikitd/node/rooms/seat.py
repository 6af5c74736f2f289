"""A leg in a room, from the row of its seat to its leaving: at home here, or over a link to another node."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.node.rooms.books import RoomBooks
from sautikitd.node.rooms.homes import RoomHomes
from sautikitd.rooms.models import End, LeaveReason, Room, Seat
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.links import GuestEnd
from sautikitd.voice.media.client import MediaLost, MediaRefused

_CONNECTS_WITHIN_S = 8.0


class SeatFailed(Exception):
    """The sound of a seat could not be connected; the message says why."""


@dataclass(frozen=True, kw_only=True)
class RoomParts:
    """What it takes to put a leg into rooms; one for the node. `address` is where other nodes reach its media."""

    books: RoomBooks
    homes: RoomHomes
    clock: Clock
    address: str

    def seat(self, leg: MediaLeg, room: Room, row: Seat) -> "TakenSeat":
        """A seat that is in the books, whose sound is not connected yet."""
        return TakenSeat(leg, room, row, self)


class TakenSeat:
    """Made by `RoomParts.seat`."""

    def __init__(self, leg: MediaLeg, room: Room, row: Seat, parts: RoomParts) -> None:
        self._leg = leg
        self._room_id = room.id
        self._home_id = room.node_id
        self._room = room
        self.row = row
        self._books = parts.books
        self._homes = parts.homes
        self._clock = parts.clock
        self._address = parts.address
        self._guest: GuestEnd | None = None

    @property
    def id(self) -> UUID:
        return self.row.id

    @property
    def room(self) -> Room | None:
        return self._books.board.room(self._room_id)

    @property
    def now(self) -> Seat | None:
        """The seat as the board knows it; None when it was given back or the room has ended."""
        return self._books.board.seats(self._room_id).get(self.id)

    @property
    def moved(self) -> bool:
        """Whether the room is at home on another node by now: the one it was on is gone."""
        room = self.room
        return room is not None and room.node_id != self._home_id

    async def follow(self, call: CallRecord) -> None:
        """Connects the sound again, where the room is now. Raises `SeatFailed`."""
        await self._disconnect()
        if (room := self.room) is not None:
            self._room, self._home_id = room, room.node_id
            await self.connect(call)

    async def connect(self, call: CallRecord) -> None:
        """Raises `SeatFailed`; the seat stays taken until `leave`."""
        try:
            if self._home_id == self._books.node_id:
                self._homes.legs[self.id] = self._leg
                await (
                    self._books.board.look()
                )  # it must know a room before that is open, or it would be closed
                await self._homes.ensure(self._room, self._leg.media, call)
                await self._homes.settle(self._room_id)
            else:
                await self._connect_far()
        except (MediaRefused, MediaLost) as exc:
            raise SeatFailed(str(exc)) from exc

    # As the `Partner` of our leg: it stands for whoever else is in the room

    @property
    def ended(self) -> bool:
        return self.now is None

    @property
    def in_band(self) -> bool:
        """The room knows of whom it takes a key, and to whom it goes."""
        return False

    async def press(self, digit: str) -> None:
        """Sends a key of our leg to whoever else is in the room."""
        if self._guest is not None:
            await self._guest.press(digit)
        else:
            await self._homes.press(self._room_id, self.id, digit)

    async def warn(self) -> None:
        """Lets whoever else is in the room hear that the money runs out."""
        if self._guest is not None:
            await self._guest.warn()
        else:
            with suppress(MediaLost):  # he hears nothing any more
                await self._homes.warn(self._room_id, self.id)

    async def step_out(self) -> None:
        """Takes the leg out for a while, and keeps the seat. Raises `MediaRefused`, `MediaLost`."""
        if self._guest is not None:
            await self._guest.step_out()
        else:
            await self._homes.release(self._room_id, self.id)

    async def step_in(self, call: CallRecord) -> None:
        """Harmless where it never stepped out. Raises `SeatFailed`, `MediaRefused`, `MediaLost`."""
        if self._guest is not None:
            await self._guest.step_in()
        elif self.room is not None:
            await self.connect(call)

    async def gone(self) -> None:
        """Waits until the seat was given back, or the room has ended."""
        seen = self._books.board.version
        while self.now is not None:
            seen = await self._books.board.beyond(seen)

    async def leave(self, reason: LeaveReason) -> Seat | None:
        """Takes the leg out and gives the seat back; the seat as it was left. Harmless to repeat."""
        await self._disconnect()
        return await self._books.leave(self._room_id, self.id, reason)

    async def _disconnect(self) -> None:
        await self._homes.release(self._room_id, self.id)
        if self._guest is not None:
            guest, self._guest = self._guest, None
            with suppress(MediaLost):
                await guest.close()

    def _end_of(self, guest: GuestEnd) -> End:
        return End(address=self._address, port=guest.port, in_band=guest.in_band)

    async def _connect_far(self) -> None:
        """Offers our end of a link; the node of the room answers with its own."""
        board = self._books.board
        self._guest = guest = await GuestEnd.open(self._leg, str(self.id))
        await self._books.link(self.row, guest=self._end_of(guest))
        await board.look()
        patience = asyncio.ensure_future(self._clock.sleep(_CONNECTS_WITHIN_S))
        try:
            while True:
                seen = board.version
                row = self.now
                if row is None:
                    raise SeatFailed("the room has ended")
                if self.moved:
                    return  # whoever has taken the seat follows
                if row.link.home is not None:
                    await guest.connect(row.link.home.address, row.link.home.port)
                    return
                await board.beyond_or(seen, patience)
                if patience.done():
                    raise SeatFailed("the node of the room did not answer")
        finally:
            patience.cancel()
