"""What a voice node reads and writes of rooms between the steps of `lifecycle`: other packages use no repository."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.rooms import repository
from sautikitd.rooms.models import Room, Seat
from sautikitd.rooms.queues import repository as queues
from sautikitd.rooms.queues.models import Member, Waiting


class RoomCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be said to a whole room (`announce`), or an end to it (`hush`)."""

    id: UUID
    room_id: UUID
    kind: str
    payload: dict[str, Any]


async def versions_on(connection: Connection, node_id: UUID) -> dict[UUID, int]:
    """The rooms at home on a node or with one of its calls in them, and how far each has changed."""
    return await repository.versions_on(connection, node_id)


async def read(connection: Connection, room_ids: Iterable[UUID]) -> tuple[list[Room], list[Seat]]:
    """Rooms that have not ended, and everybody who sits in them."""
    return await repository.read(connection, room_ids)


async def members_on(connection: Connection, node_id: UUID) -> list[Member]:
    """Those of a node's calls who are in a queue or were taken from one."""
    return await queues.present_on(connection, node_id)


async def seat(connection: Connection, seat_id: UUID) -> Seat | None:
    return await repository.find_seat(connection, seat_id)


async def waiting(connection: Connection, member: Member, now: datetime) -> Waiting:
    """What a waiting caller may be told."""
    return await queues.waiting(connection, member, now)


async def call_named(connection: Connection, workspace_id: UUID, mode: Mode, reference: str) -> UUID | None:
    """A live call of the workspace by id or session id."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM calls WHERE workspace_id = $1 AND mode = $2 AND ended_at IS NULL "
        "AND (id::text = $3 OR session_id = $3)",
        *(workspace_id, mode, reference),
    )
    return found


async def give_command(
    connection: Connection, room_id: UUID, kind: str, payload: dict[str, Any], now: datetime
) -> None:
    """To the node that the room is at home on, which looks ten times a second."""
    await connection.execute(
        "INSERT INTO room_commands (id, room_id, kind, payload, created_at) VALUES ($1, $2, $3, $4, $5)",
        *(uuid7(), room_id, kind, payload, now),
    )
    await connection.execute(
        "UPDATE rooms SET version = version WHERE id = $1", room_id
    )  # its trigger counts


async def commands_for(connection: Connection, room_ids: Iterable[UUID]) -> Sequence[RoomCommand]:
    """What waits to be carried out in these rooms, the oldest first."""
    rows = await connection.fetch(
        "SELECT id, room_id, kind, payload FROM room_commands WHERE room_id = ANY ($1) AND done_at IS NULL "
        "ORDER BY id",
        list(room_ids),
    )
    return [RoomCommand(**dict(row)) for row in rows]


async def command_done(connection: Connection, command_id: UUID, outcome: str, now: datetime) -> None:
    await connection.execute(
        "UPDATE room_commands SET done_at = $2, outcome = $3 WHERE id = $1", command_id, now, outcome
    )
