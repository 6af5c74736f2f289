"""Rooms that are at home on this node: what their rows say is done in the media process, seat by seat."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.flow.port import RecordingTold
from sautikitd.node.rooms.books import RoomBooks
from sautikitd.rooms.models import Beep, End, Room, RoomStatus, Seat
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.links import GuestEnd, LinkEnd
from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.recording_book import RecordingBook
from sautikitd.voice.rooms import ENTERED, LEFT, MediaRoom

log = structlog.get_logger(__name__)

_LONGEST_RECORDING_S = 14_400


@dataclass
class Placed:
    """A seat that is taken in the media process, by its leg or by the home end of its link."""

    seat: Seat
    media_id: str
    leg: MediaLeg | None = None
    home_end: LinkEnd | None = None
    guest_end: GuestEnd | None = None
    as_seated: tuple[bool, bool, frozenset[str] | None] | None = None

    @property
    def in_band(self) -> bool:
        """Whether who sits here knows keys as tones only."""
        if beside := self.leg or self.guest_end:
            return beside.in_band
        return self.seat.link.guest is not None and self.seat.link.guest.in_band

    async def press(self, digit: str) -> None:
        """Sends him a key."""
        if to := self.leg or self.home_end:
            await to.press(digit)

    async def warn(self) -> None:
        """Lets him hear that the money runs out."""
        if to := self.leg or self.home_end:
            with suppress(MediaRefused):  # he has gone in this moment
                await to.warn()

    async def close(self) -> None:
        for end in (self.guest_end, self.home_end):
            if end is not None:
                await end.close()


class RoomHome:
    """One room. `legs` are the node's own legs by seat; `address` is where other nodes reach the media of this one."""

    def __init__(
        self,
        room: Room,
        media: MediaClient,
        recordings: RecordingBook,
        books: RoomBooks,
        legs: dict[UUID, MediaLeg],
        address: str,
    ) -> None:
        self.room = room
        self.media = MediaRoom(room.id, media, recordings, self._recording_over)
        self._books = books
        self._legs = legs
        self._address = address
        self._placed: dict[UUID, Placed] = {}
        self._lock = asyncio.Lock()
        self._recording_id: UUID | None = None
        self._beside: set[asyncio.Task[None]] = set()

    async def update(self) -> None:
        """Does what the rows say, as the board knows them when it is our turn. Raises `MediaLost`."""
        async with self._lock:
            board, was_live = self._books.board, self.room.status is RoomStatus.LIVE
            room, seats = board.room(self.room.id), dict(board.seats(self.room.id))
            if room is None or room.node_id != self._books.node_id:
                return  # it has ended or moved, and is closed for that
            if room.version >= self.room.version:
                self.room = room
            for gone in self._placed.keys() - seats.keys():
                await self._unplace(self._placed.pop(gone), others=bool(seats))
            for seat in seats.values():
                await self._place(seat, beeps=was_live or room.status is RoomStatus.LIVE)
            for placed in list(self._placed.values()):
                await self._seat(placed)
            await self._record()

    async def press(self, seat_id: UUID, digit: str) -> None:
        """A key of who sits there, for the others; where both ends know tones only, the tone itself goes through."""
        by = self._placed.get(seat_id)
        for other in [one for one in self._placed.values() if by is not None and one is not by]:
            if not (by and by.in_band and other.in_band):
                await other.press(digit)

    async def warn(self, seat_id: UUID) -> None:
        """Lets the others hear that the money of who sits there runs out. Raises `MediaLost`."""
        for other in [one for held_by, one in self._placed.items() if held_by != seat_id]:
            await other.warn()

    async def release(self, seat_id: UUID) -> None:
        """Takes a leg of this node out, now: it may be in another room in a moment. Raises `MediaLost`."""
        async with self._lock:
            if placed := self._placed.pop(seat_id, None):
                await self._unplace(placed, others=bool(self._placed))

    async def close(self) -> None:
        """The room has ended, or its media process has gone."""
        async with self._lock:
            self._recording_id = None
            while self._placed:
                await self._unplace(self._placed.popitem()[1], others=False)
            await self.media.close()

    async def _place(self, seat: Seat, *, beeps: bool) -> None:
        if seat.id in self._placed:
            self._placed[seat.id].seat = seat
            return
        leg = self._legs.get(seat.id)
        try:
            placed = await self._local(seat, leg) if leg else await self._remote(seat)
        except MediaRefused as exc:
            log.warning("node.seat_refused", seat_id=str(seat.id), error=str(exc))
            return
        if placed is None:
            return
        self._placed[seat.id] = placed
        await self._seat(placed)
        if beeps and seat.beep in (Beep.ENTER, Beep.BOTH):
            await self.media.announce(ENTERED)
        await self._books.seated(seat.room_id, seat.id)

    async def _local(self, seat: Seat, leg: MediaLeg) -> Placed | None:
        """A leg of this node: seated as it is, or by a link from its own media process."""
        if leg.ended:
            return None
        if leg.media is self.media.media:
            return Placed(seat, leg.media_id, leg=leg)
        guest = await GuestEnd.open(leg, str(seat.id))
        home = await self._home_end(seat)
        await guest.connect(home.local_address, home.port)
        await home.connect(guest.local_address, guest.port)
        return Placed(seat, home.media_id, home_end=home, guest_end=guest)

    async def _remote(self, seat: Seat) -> Placed | None:
        """A leg of another node, once that node has said where its end of the link is."""
        if seat.node_id == self._books.node_id or seat.link.guest is None:
            return None
        home = await self._home_end(seat)
        await home.connect(seat.link.guest.address, seat.link.guest.port)
        await self._books.link(seat, home=End(address=self._address, port=home.port))
        return Placed(seat, home.media_id, home_end=home)

    async def _home_end(self, seat: Seat) -> LinkEnd:
        def pressed(digit: str) -> None:
            self._do_beside(self.press(seat.id, digit))

        return await LinkEnd.open(self.media.media, f"home-{seat.id}", pressed)

    async def _unplace(self, placed: Placed, *, others: bool) -> None:
        if placed.leg is not None and placed.leg.room == self.media.name:  # else it is elsewhere by now
            with suppress(MediaRefused):  # one that ended has left by itself
                await placed.leg.leave()
        await placed.close()
        if others and self.room.status is RoomStatus.LIVE and placed.seat.beep in (Beep.EXIT, Beep.BOTH):
            await self.media.announce(LEFT)

    async def _seat(self, placed: Placed) -> None:
        """Who hears whom: nobody before the room is live, and nobody who is held."""
        seat = placed.seat
        apart = seat.held or self.room.status is RoomStatus.WAITING
        heard_by = None
        if seat.coached_call_id is not None:
            heard_by = frozenset(
                one.media_id for one in self._placed.values() if one.seat.call_id == seat.coached_call_id
            )
        wanted = (seat.muted or apart, apart, heard_by)
        if wanted == placed.as_seated:
            return
        muted, deaf, named = wanted
        try:
            if placed.leg is not None:
                await placed.leg.join(self.media.name, muted=muted, deaf=deaf, heard_by=named)
            else:
                await self.media.seat(placed.media_id, muted=muted, deaf=deaf, heard_by=named)
            placed.as_seated = wanted
        except MediaRefused as exc:  # the leg ended in this moment
            log.debug("node.seat_gone", seat_id=str(seat.id), error=str(exc))

    async def _record(self) -> None:
        wanted = self.room.recorded and self.room.status is RoomStatus.LIVE
        if wanted and self._recording_id is None:
            try:
                self._recording_id = await self.media.record(_LONGEST_RECORDING_S, self._told)
                await self._books.recording_started(self.room.id, self._recording_id)
            except (MediaRefused, *DatabaseUnavailable) as exc:
                log.error("node.room_not_recorded", room_id=str(self.room.id), error=repr(exc))
        elif not wanted and self._recording_id is not None:
            stopping, self._recording_id = self._recording_id, None
            await self.media.stop_recording(stopping)

    @property
    def _told(self) -> RecordingTold | None:
        url = self.room.recording_status_url
        return RecordingTold(url=url, source="Conference") if url is not None else None

    def _recording_over(self, recording_id: UUID) -> None:
        """It ended by itself, or by an order for this one recording: nobody is to think that it goes on."""
        self._do_beside(self._tell_of_its_end(recording_id))

    def _do_beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _tell_of_its_end(self, recording_id: UUID) -> None:
        async with self._lock:  # it may have ended before the room heard that it had begun
            if self._recording_id != recording_id:
                return
            self._recording_id = None
            room = await self._books.recording_ended(self.room.id, recording_id)
            if room is not None and room.version > self.room.version:
                self.room = room
            with suppress(MediaLost):  # the room is lost with it, which its next change shows
                await self._record()
