"""A caller's way through a queue. State and `queue.*` events change in the caller's one transaction.

The oldest first, and never two who take to one who waits: his row is claimed with SKIP LOCKED.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind, QueuePayload
from sautikitd.events.log import EventLog
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.models import NewRoom, NewSeat, Room, RoomKind, Seat
from sautikitd.rooms.queues import repository
from sautikitd.rooms.queues.models import Member, MemberStatus, Queue, QueueResult
from sautikitd.rooms.story import seconds_since


class QueueIsFull(Exception):
    """As many wait as this caller's flow would let wait."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody taken from a queue, and the room in which he meets who took him."""

    member: Member
    room: Room
    own_seat: Seat
    his_seat: Seat


class CallerQueues:
    def __init__(self, events: EventLog, rooms: Rooms) -> None:
        self._events = events
        self._rooms = rooms

    async def enter(
        self,
        connection: Connection,
        call: CallRecord,
        name: str,
        *,
        node_id: UUID,
        most: int | None,
        now: datetime,
    ) -> Member:
        """At the end of the queue. Raises `QueueIsFull`."""
        queue = await repository.lock_or_make(connection, call.workspace_id, call.mode, name, now)
        ahead = await repository.size(connection, queue.id)
        if most is not None and ahead >= most:
            raise QueueIsFull
        member = await repository.add(connection, queue.id, call.id, node_id, now)
        await self._tell(connection, queue, member, EventKind.QUEUE_ENTERED, now, position=ahead + 1)
        return member

    async def take(
        self, connection: Connection, taker: CallRecord, name: str, *, node_id: UUID, now: datetime
    ) -> Taken | None:
        """The oldest waiting caller, with a room at home on `node_id` for the two; None where nobody waits."""
        queue = await repository.find(connection, taker.workspace_id, taker.mode, name)
        member = await repository.oldest(connection, queue.id) if queue else None
        if queue is None or member is None:
            return None
        room, own_seat, his_seat = await self._rooms.bridge(
            connection,
            NewRoom(
                workspace_id=taker.workspace_id,
                mode=taker.mode,
                kind=RoomKind.BRIDGE,
                node_id=node_id,
                owner_call_id=taker.id,
            ),
            (
                NewSeat(call_id=taker.id, node_id=node_id, ends=True),
                NewSeat(call_id=member.call_id, node_id=member.node_id, ends=True),
            ),
            now,
        )
        taken = await repository.update(
            connection,
            member.id,
            status=MemberStatus.TAKEN,
            seat_id=his_seat.id,
            taken_by_call_id=taker.id,
            taken_at=now,
        )
        return Taken(member=taken, room=room, own_seat=own_seat, his_seat=his_seat)

    async def connected(self, connection: Connection, member_id: UUID, now: datetime) -> None:
        """The one taken hears who took him."""
        member = await repository.lock_member(connection, member_id)
        if member is not None and member.status is MemberStatus.TAKEN:
            queue = await repository.get(connection, member.queue_id)
            await self._tell(connection, queue, member, EventKind.QUEUE_CONNECTED, now)

    async def leave(
        self, connection: Connection, member_id: UUID, result: QueueResult, now: datetime
    ) -> Member | None:
        """Out of the queue, or out of the conversation that it led to; harmless to repeat."""
        member = await repository.lock_member(connection, member_id)
        if member is None or member.status is MemberStatus.LEFT:
            return member
        left = await repository.update(
            connection, member_id, status=MemberStatus.LEFT, left_at=now, result=result
        )
        queue = await repository.get(connection, member.queue_id)
        await self._tell(connection, queue, left, EventKind.QUEUE_LEFT, now, result=result)
        return left

    async def return_to_queue(self, connection: Connection, member_id: UUID) -> None:
        """Whoever took him is gone before they met: he waits on, at his old place."""
        member = await repository.lock_member(connection, member_id)
        if member is not None and member.status is MemberStatus.TAKEN:
            await repository.update(
                connection,
                member_id,
                status=MemberStatus.WAITING,
                seat_id=None,
                taken_by_call_id=None,
                taken_at=None,
            )

    async def _tell(
        self,
        connection: Connection,
        queue: Queue,
        member: Member,
        kind: EventKind,
        now: datetime,
        **facts: Any,
    ) -> None:
        payload = QueuePayload(
            queue_id=queue.id,
            name=queue.name,
            call_id=member.call_id,
            size=await repository.size(connection, queue.id),
            wait_seconds=seconds_since(member.entered_at, member.taken_at or now),
            taken_by_call_id=member.taken_by_call_id,
            **facts,
        )
        event = Event(
            id=uuid7(),
            workspace_id=queue.workspace_id,
            mode=queue.mode,
            kind=kind,
            call_id=member.call_id,
            data=msgspec.to_builtins(payload),
            occurred_at=now,
        )
        await self._events.record(connection, event)
