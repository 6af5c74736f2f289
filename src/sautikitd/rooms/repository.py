"""The SQL of rooms and seats."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.rooms.models import (
    ROOM_COLUMNS,
    SEAT_COLUMNS,
    End,
    NewRoom,
    NewSeat,
    Room,
    Seat,
    room_of,
    seat_of,
)


async def lock_named(connection: Connection, workspace_id: UUID, mode: Mode, name: str) -> Room | None:
    """The conference of that name that has not ended, locked."""
    row = await connection.fetchrow(_NAMED, workspace_id, mode, name)
    return room_of(row) if row else None


async def make(connection: Connection, new: NewRoom, now: datetime) -> Room | None:
    """None when somebody made a conference of that name in this moment: look again."""
    row = await connection.fetchrow(
        _MAKE,
        *(uuid7(), new.workspace_id, new.mode, new.kind, new.name, new.node_id, new.owner_call_id),
        *(new.max_seats, new.recorded, new.status_url, list(new.status_events)),
        *(new.status_form, new.recording_status_url, now),
    )
    return room_of(row) if row else None


async def lock(connection: Connection, room_id: UUID) -> Room | None:
    """The room, locked until the transaction ends. Rooms are locked before seats, and queues before rooms."""
    row = await connection.fetchrow(f"SELECT {ROOM_COLUMNS} FROM rooms WHERE id = $1 FOR UPDATE", room_id)
    return room_of(row) if row else None


async def update(connection: Connection, room_id: UUID, **columns: Any) -> Room:
    """Changes columns of a locked room."""
    return room_of(await connection.fetchrow(*_changing("rooms", ROOM_COLUMNS, room_id, columns)))


async def next_sequence(connection: Connection, room_id: UUID) -> int:
    sequence: int = await connection.fetchval(
        "UPDATE rooms SET event_sequence = event_sequence + 1 WHERE id = $1 RETURNING event_sequence", room_id
    )
    return sequence


async def seats(connection: Connection, room_id: UUID) -> list[Seat]:
    """Who sits in the room, in the order in which they came."""
    rows = await connection.fetch(
        f"SELECT {SEAT_COLUMNS} FROM room_seats WHERE room_id = $1 AND left_at IS NULL ORDER BY id", room_id
    )
    return [seat_of(row) for row in rows]


async def take_seat(connection: Connection, room_id: UUID, new: NewSeat, now: datetime) -> Seat:
    row = await connection.fetchrow(
        _TAKE_SEAT,
        *(uuid7(), room_id, new.call_id, new.node_id, new.muted, new.coached_call_id),
        *(new.starts, new.ends, new.beep, now),
    )
    return seat_of(row)


async def find_seat(connection: Connection, seat_id: UUID) -> Seat | None:
    row = await connection.fetchrow(f"SELECT {SEAT_COLUMNS} FROM room_seats WHERE id = $1", seat_id)
    return seat_of(row) if row else None


async def update_seat(connection: Connection, seat_id: UUID, **columns: Any) -> Seat:
    """Changes columns of a seat whose room is locked."""
    return seat_of(await connection.fetchrow(*_changing("room_seats", SEAT_COLUMNS, seat_id, columns)))


async def put_end(connection: Connection, seat_id: UUID, **ends: End) -> None:
    """Writes one end (`guest` or `home`) of the link of a seat whose room is locked."""
    await connection.execute(
        "UPDATE room_seats SET link = link || $2::jsonb WHERE id = $1 AND left_at IS NULL",
        seat_id,
        {name: msgspec.to_builtins(end) for name, end in ends.items()},
    )


async def leave_all(connection: Connection, room_id: UUID, now: datetime, reason: str) -> Sequence[Seat]:
    rows = await connection.fetch(_LEAVE_ALL, room_id, now, reason)
    return [seat_of(row) for row in rows]


async def versions_on(connection: Connection, node_id: UUID) -> dict[UUID, int]:
    """The rooms at home on a node or with one of its calls in them, and how far each has changed."""
    return {row["id"]: row["version"] for row in await connection.fetch(_VERSIONS_ON, node_id)}


async def read(connection: Connection, room_ids: Iterable[UUID]) -> tuple[list[Room], list[Seat]]:
    """Rooms and everybody who sits in them."""
    ids = list(room_ids)
    rooms = await connection.fetch(f"SELECT {ROOM_COLUMNS} FROM rooms WHERE id = ANY ($1)", ids)
    rows = await connection.fetch(_SEATS_IN, ids)
    return [room_of(row) for row in rooms], [seat_of(row) for row in rows]


async def adrift(connection: Connection, now: datetime, limit: int) -> list[tuple[UUID, UUID, bool]]:
    """Seats (room, seat, whether the node is dead) of calls that have ended or whose node is dead: nobody else will give
    them back."""
    return [(row["room_id"], row["id"], row["lost"]) for row in await connection.fetch(_ADRIFT, now, limit)]


async def homeless(connection: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """Rooms whose node is dead (room, node)."""
    return [(row["id"], row["node_id"]) for row in await connection.fetch(_HOMELESS, limit)]


async def living_nodes(connection: Connection, node_ids: Iterable[UUID]) -> set[UUID]:
    rows = await connection.fetch(
        "SELECT id FROM voice_nodes WHERE id = ANY ($1) AND stopped_at IS NULL", list(node_ids)
    )
    return {row["id"] for row in rows}


async def unlink(connection: Connection, room_id: UUID) -> None:
    """Forgets how the seats of a locked room were connected."""
    await connection.execute(
        "UPDATE room_seats SET link = '{}', seated_at = NULL WHERE room_id = $1 AND left_at IS NULL", room_id
    )


async def numbers_of(connection: Connection, call_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The far party's number of each call."""
    rows = await connection.fetch(
        "SELECT id, CASE direction WHEN 'inbound' THEN from_address ELSE to_address END AS party "
        "FROM calls WHERE id = ANY ($1)",
        list(call_ids),
    )
    return {row["id"]: row["party"] for row in rows}


def _changing(table: str, shown: str, row_id: UUID, columns: dict[str, Any]) -> tuple[Any, ...]:
    sets = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=2))
    return f"UPDATE {table} SET {sets} WHERE id = $1 RETURNING {shown}", row_id, *columns.values()


_NAMED = f"""
SELECT {ROOM_COLUMNS} FROM rooms
WHERE workspace_id = $1 AND mode = $2 AND name = $3 AND kind = 'conference' AND ended_at IS NULL FOR UPDATE
"""

_MAKE = f"""
INSERT INTO rooms (id, workspace_id, mode, kind, name, node_id, owner_call_id, max_seats, recorded, status_url,
                   status_events, status_form, recording_status_url, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (workspace_id, mode, name) WHERE kind = 'conference' AND ended_at IS NULL DO NOTHING
RETURNING {ROOM_COLUMNS}
"""

_TAKE_SEAT = f"""
INSERT INTO room_seats (id, room_id, call_id, node_id, muted, coached_call_id, starts, ends, beep, joined_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {SEAT_COLUMNS}
"""

_LEAVE_ALL = f"""
UPDATE room_seats SET left_at = $2, leave_reason = $3 WHERE room_id = $1 AND left_at IS NULL
RETURNING {SEAT_COLUMNS}
"""

_VERSIONS_ON = """
SELECT id, version FROM rooms WHERE ended_at IS NULL AND (node_id = $1 OR id IN (
    SELECT room_id FROM room_seats WHERE node_id = $1 AND left_at IS NULL))
"""

_SEATS_IN = f"""
SELECT {SEAT_COLUMNS} FROM room_seats WHERE room_id = ANY ($1) AND left_at IS NULL ORDER BY id
"""

_ADRIFT = """
SELECT room_seats.room_id, room_seats.id, voice_nodes.stopped_at IS NOT NULL AS lost FROM room_seats
JOIN calls ON calls.id = room_seats.call_id JOIN voice_nodes ON voice_nodes.id = room_seats.node_id
WHERE room_seats.left_at IS NULL
  AND (voice_nodes.stopped_at IS NOT NULL OR calls.ended_at < $1::timestamptz - interval '10 seconds')
ORDER BY room_seats.room_id LIMIT $2
"""

_HOMELESS = """
SELECT rooms.id, rooms.node_id FROM rooms JOIN voice_nodes ON voice_nodes.id = rooms.node_id
WHERE rooms.ended_at IS NULL AND voice_nodes.stopped_at IS NOT NULL ORDER BY rooms.id LIMIT $1
"""
