"""Rooms and queues step by step: every step of a transaction of its own, as a voice node takes it."""

from typing import Any
from uuid import UUID

from calls.scenery import Scene
from sautikitd.calls.models import CallRecord
from sautikitd.events.log import EventLog
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.models import EndReason, LeaveReason, NewRoom, NewSeat, Room, RoomKind, Seat
from sautikitd.rooms.queues.lifecycle import CallerQueues, Taken
from sautikitd.rooms.queues.models import Member, QueueResult
from sautikitd.rooms.sweeping import Sweeper


class Hall:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rooms = Rooms(EventLog())
        self.queues = CallerQueues(EventLog(), self.rooms)

    @property
    def transaction(self) -> Any:
        return self.scene.platform.database.transaction

    async def call(self, to: str = "+254712345678") -> CallRecord:
        """An answered call of the scene's node."""
        await self.scene.place(to)
        claimed = await self.scene.claim()
        assert claimed is not None
        answered = await self.scene.answer(claimed.call.id)
        assert answered is not None
        return answered

    async def enter(self, call: CallRecord, name: str = "board", **wishes: Any) -> tuple[Room, Seat]:
        seat = {field: wishes.pop(field) for field in ("muted", "starts", "ends") if field in wishes}
        new = NewRoom(
            workspace_id=call.workspace_id,
            mode=call.mode,
            kind=RoomKind.CONFERENCE,
            node_id=self.scene.node_id,
            owner_call_id=call.id,
            name=name,
            **{"max_seats": 10, **wishes},
        )
        async with self.transaction() as connection:
            return await self.rooms.enter(
                connection, new, NewSeat(call_id=call.id, node_id=self.scene.node_id, **seat), self.scene.now
            )

    async def leave(self, seat: Seat, reason: LeaveReason = LeaveReason.HANGUP) -> Seat | None:
        async with self.transaction() as connection:
            return await self.rooms.leave(connection, seat.room_id, seat.id, reason, self.scene.now)

    async def end(self, room: Room) -> None:
        async with self.transaction() as connection:
            await self.rooms.end(connection, room.id, EndReason.ENDED_BY_API, self.scene.now)

    async def enqueue(self, call: CallRecord, *, most: int | None = None) -> Member:
        async with self.transaction() as connection:
            return await self.queues.enter(
                connection, call, "support", node_id=self.scene.node_id, most=most, now=self.scene.now
            )

    async def take(self, taker: CallRecord) -> Taken | None:
        async with self.transaction() as connection:
            return await self.queues.take(
                connection, taker, "support", node_id=self.scene.node_id, now=self.scene.now
            )

    async def leave_queue(self, member: Member, result: QueueResult) -> Member | None:
        async with self.transaction() as connection:
            return await self.queues.leave(connection, member.id, result, self.scene.now)

    async def sweep(self) -> int:
        async with self.transaction() as connection:
            return await Sweeper(self.rooms, self.queues).sweep(connection, self.scene.now)

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        async with self.scene.platform.database.connection() as connection:
            return list(await connection.fetch(statement, *values))

    async def told(self, prefix: str) -> list[dict[str, Any]]:
        """The data of the events so far, in order, each with its kind."""
        found = await self.rows("SELECT kind, data FROM events WHERE kind LIKE $1 ORDER BY id", f"{prefix}.%")
        return [{"kind": row["kind"].removeprefix(f"{prefix}."), **row["data"]} for row in found]

    async def stop_node(self, node_id: UUID) -> None:
        async with self.transaction() as connection:
            await connection.execute(
                "UPDATE voice_nodes SET stopped_at = $2 WHERE id = $1", node_id, self.scene.now
            )
