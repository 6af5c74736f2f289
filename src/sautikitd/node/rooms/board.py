"""What a node knows of rooms and queues: those at home on it or with its calls in them, read again when they change.

The database is looked at ten times a second, and at once when woken, while there is anybody to tell. Only rooms
whose version is new are read.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import structlog

from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.rooms import rows
from sautikitd.rooms.models import Room, Seat
from sautikitd.rooms.queues.models import Member

log = structlog.get_logger(__name__)

POLL_S = 0.1


class RoomBoard:
    """`version` goes up at every look that found something new; wait for it with `beyond`."""

    def __init__(self, node_id: UUID, database: Database) -> None:
        self._node_id = node_id
        self._database = database
        self._rooms: dict[UUID, Room] = {}
        self._seats: dict[UUID, dict[UUID, Seat]] = {}
        self._members: dict[UUID, Member] = {}
        self._followers = 0
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()
        self.version = 0

    def wake(self) -> None:
        self._woken.set()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Keeps the board looking; what is told of rooms is only true inside."""
        self._followers += 1
        self._woken.set()
        try:
            yield
        finally:
            self._followers -= 1

    def room(self, room_id: UUID) -> Room | None:
        """None when it has ended."""
        return self._rooms.get(room_id)

    def rooms(self) -> list[Room]:
        return list(self._rooms.values())

    def seats(self, room_id: UUID) -> dict[UUID, Seat]:
        return self._seats.get(room_id, {})

    def member(self, member_id: UUID) -> Member | None:
        """None when he has left the queue."""
        return self._members.get(member_id)

    async def beyond(self, version: int) -> int:
        """Waits until something has changed since `version`; the version now."""
        while self.version <= version:
            await self._changed.wait()
        return self.version

    async def beyond_or(self, version: int, *others: "asyncio.Future[Any]") -> None:
        """Waits until something has changed since `version`, or one of `others` is done."""
        change = asyncio.ensure_future(self.beyond(version))
        either: set[asyncio.Future[Any]] = {change, *others}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if self._followers else None):
                    await self._woken.wait()
            self._woken.clear()
            await self.look()

    async def look(self) -> None:
        """Reads what has changed. A database that is away changes nothing."""
        async with self._looking:
            try:
                if await self._read():
                    self.version += 1
                    self._changed.set()
                    self._changed = asyncio.Event()
            except DatabaseUnavailable as exc:
                log.warning("node.rooms_wait", error=repr(exc))

    async def _read(self) -> bool:
        async with self._database.connection() as connection:
            versions = await rows.versions_on(connection, self._node_id)
            members = {one.id: one for one in await rows.members_on(connection, self._node_id)}
            stale = [
                room_id
                for room_id, version in versions.items()
                if room_id not in self._rooms or self._rooms[room_id].version != version
            ]
            rooms, seats = await rows.read(connection, stale) if stale else ([], [])
        over = self._rooms.keys() - versions.keys()
        for room_id in over:
            del self._rooms[room_id], self._seats[room_id]
        for room in rooms:
            self._rooms[room.id], self._seats[room.id] = room, {}
        for seat in seats:
            self._seats[seat.room_id][seat.id] = seat
        changed = bool(over or rooms) or members != self._members
        self._members = members
        return changed
