"""Gives back what dead nodes and ended calls left in rooms and queues."""

from datetime import datetime

from sautikitd.database.pool import Connection
from sautikitd.rooms import repository
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.models import LeaveReason
from sautikitd.rooms.queues import repository as queue_repository
from sautikitd.rooms.queues.lifecycle import CallerQueues
from sautikitd.rooms.queues.models import QueueResult

_AT_ONCE = 50


class Sweeper:
    def __init__(self, rooms: Rooms, queues: CallerQueues) -> None:
        self._rooms = rooms
        self._queues = queues

    async def sweep(self, connection: Connection, now: datetime) -> int:
        """Moves or ends rooms of dead nodes, and takes callers who are gone out of rooms and queues; returns how many.

        In one transaction of the caller's, after the calls of dead nodes were ended.
        """
        homeless = await repository.homeless(connection, _AT_ONCE)
        for room_id, node_id in homeless:
            await self._rooms.leave_node(connection, room_id, node_id, now)
        adrift = await repository.adrift(connection, now, _AT_ONCE)
        for room_id, seat_id, lost in adrift:
            reason = LeaveReason.NODE_LOST if lost else LeaveReason.HANGUP
            await self._rooms.leave(connection, room_id, seat_id, reason, now)
        gone = await queue_repository.adrift(connection, now, _AT_ONCE)
        for member_id in gone:
            await self._queues.leave(connection, member_id, QueueResult.HANGUP, now)
        return len(homeless) + len(adrift) + len(gone)
