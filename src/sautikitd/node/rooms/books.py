"""The transactions of a node's rooms, and the wake-ups of the other nodes after them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.database.wake import Waker
from sautikitd.events.log import CHANNEL as WEBHOOKS
from sautikitd.node.rooms.board import RoomBoard
from sautikitd.rooms import rows
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.models import CHANNEL, End, EndReason, LeaveReason, NewRoom, NewSeat, Room, Seat
from sautikitd.rooms.queues.lifecycle import CallerQueues, Taken
from sautikitd.rooms.queues.models import Member, QueueResult, Waiting

log = structlog.get_logger(__name__)
T = TypeVar("T")

_TRY_AGAIN_S = 0.25
_PATIENCE = 40  # attempts at a step that must be written: ten seconds, after which sweeping will do it


class RoomBooks:
    """Steps that take something raise one of `DatabaseUnavailable`; those that give it back are tried again."""

    def __init__(
        self,
        node_id: UUID,
        database: Database,
        clock: Clock,
        waker: Waker,
        rooms: Rooms,
        queues: CallerQueues,
    ) -> None:
        self.node_id = node_id
        self.board = RoomBoard(node_id, database)
        self._database = database
        self._clock = clock
        self._waker = waker
        self._rooms = rooms
        self._queues = queues

    async def enter(self, new: NewRoom, seat: NewSeat) -> tuple[Room, Seat]:
        """Raises `RoomIsFull`."""
        return await self._step(lambda connection, now: self._rooms.enter(connection, new, seat, now))

    async def leave(self, room_id: UUID, seat_id: UUID, reason: LeaveReason) -> Seat | None:
        return await self._persist(
            lambda connection, now: self._rooms.leave(connection, room_id, seat_id, reason, now)
        )

    async def seated(self, room_id: UUID, seat_id: UUID) -> None:
        await self._persist(lambda connection, now: self._rooms.seated(connection, room_id, seat_id, now))

    async def link(self, seat: Seat, **ends: End) -> None:
        await self._persist(lambda connection, _: self._rooms.link(connection, seat.room_id, seat.id, **ends))

    async def hold(self, seat: Seat, held: bool) -> None:
        await self._persist(
            lambda connection, now: self._rooms.hold(connection, seat.room_id, seat.id, held, now)
        )

    async def end_room(self, room_id: UUID, reason: EndReason) -> None:
        await self._persist(lambda connection, now: self._rooms.end(connection, room_id, reason, now))

    async def leave_room(self, room_id: UUID) -> None:
        """This node stops, or has lost the room: it moves to where somebody still is, or ends."""
        await self._persist(
            lambda connection, now: self._rooms.leave_node(connection, room_id, self.node_id, now)
        )

    async def recording_started(self, room_id: UUID, recording_id: UUID) -> None:
        await self._persist(
            lambda connection, now: self._rooms.recording_started(connection, room_id, recording_id, now)
        )

    async def recording_ended(self, room_id: UUID, recording_id: UUID) -> Room | None:
        return await self._persist(
            lambda connection, now: self._rooms.recording_ended(connection, room_id, recording_id, now)
        )

    async def enqueue(self, call: CallRecord, name: str, most: int | None) -> Member:
        """Raises `QueueIsFull`."""
        return await self._step(
            lambda connection, now: self._queues.enter(
                connection, call, name, node_id=self.node_id, most=most, now=now
            )
        )

    async def take(self, taker: CallRecord, name: str) -> Taken | None:
        async with self._database.transaction() as connection:
            taken = await self._queues.take(
                connection, taker, name, node_id=self.node_id, now=self._clock.now()
            )
        if taken:
            await self._tell()
        return taken

    async def connected(self, member_id: UUID) -> None:
        await self._persist(lambda connection, now: self._queues.connected(connection, member_id, now))

    async def back_to_queue(self, member_id: UUID) -> None:
        await self._persist(lambda connection, _: self._queues.return_to_queue(connection, member_id))

    async def leave_queue(self, member_id: UUID, result: QueueResult) -> Member | None:
        return await self._persist(
            lambda connection, now: self._queues.leave(connection, member_id, result, now)
        )

    async def seat(self, seat_id: UUID) -> Seat | None:
        async with self._database.connection() as connection:
            return await rows.seat(connection, seat_id)

    async def waiting(self, member: Member) -> Waiting:
        async with self._database.connection() as connection:
            return await rows.waiting(connection, member, self._clock.now())

    async def call_named(self, call: CallRecord, reference: str) -> UUID | None:
        async with self._database.connection() as connection:
            return await rows.call_named(connection, call.workspace_id, call.mode, reference)

    async def commands_for(self, room_ids: list[UUID]) -> list[rows.RoomCommand]:
        async with self._database.connection() as connection:
            return list(await rows.commands_for(connection, room_ids))

    async def command_done(self, command_id: UUID, outcome: str) -> None:
        await self._persist(lambda connection, now: rows.command_done(connection, command_id, outcome, now))

    async def _step(self, work: Callable[[Connection, datetime], Awaitable[T]]) -> T:
        async with self._database.transaction() as connection:
            outcome = await work(connection, self._clock.now())
        await self._tell()
        return outcome

    async def _persist(self, work: Callable[[Connection, datetime], Awaitable[T]]) -> T | None:
        for _ in range(_PATIENCE):
            try:
                return await self._step(work)
            except DatabaseUnavailable as exc:
                log.warning("node.room_waits", error=repr(exc))
            await self._clock.sleep(_TRY_AGAIN_S)
        return None

    async def _tell(self) -> None:
        self.board.wake()
        await self._waker.wake(CHANNEL)
        await self._waker.wake(WEBHOOKS)
