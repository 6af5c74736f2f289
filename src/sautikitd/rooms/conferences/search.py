"""Finding conferences and who is in them. A key that is limited to some numbers sees those rooms that hold no others."""

from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.identity.principal import Principal
from sautikitd.rooms.errors import ConferenceNotFound
from sautikitd.rooms.models import ROOM_COLUMNS, SEAT_COLUMNS, Room, Seat, room_of, seat_of


async def page(
    connection: Connection,
    principal: Principal,
    *,
    status: str | None,
    name: str | None,
    before: UUID | None,
    limit: int,
) -> list[tuple[Room, int]]:
    """Newest first, at most `limit + 1`, each with how many are in it."""
    rows = await connection.fetch(
        _PAGE,
        *(principal.workspace_id, principal.mode, _numbers(principal), status, name, before, limit + 1),
    )
    return [(room_of(row), row["participants"]) for row in rows]


async def find(
    connection: Connection, principal: Principal, reference: str, *, lock: bool = False
) -> tuple[Room, int]:
    """By id, or a live one by its name; `lock` for the transaction. Raises `ConferenceNotFound`."""
    row = await connection.fetchrow(
        _FIND, *(principal.workspace_id, principal.mode, _numbers(principal), *_reference(reference))
    )
    if row is not None and lock:
        await connection.execute("SELECT FROM rooms WHERE id = $1 FOR UPDATE", row["id"])
        row = await connection.fetchrow(
            _FIND, *(principal.workspace_id, principal.mode, _numbers(principal), row["id"], "")
        )
    if row is None:
        raise ConferenceNotFound(reference=reference[:64])
    return room_of(row), row["participants"]


async def participants(
    connection: Connection, room_id: UUID, *, present: bool, before: UUID | None, limit: int
) -> list[tuple[Seat, Record]]:
    """Newest first, at most `limit + 1`, each with his call's session and number."""
    rows = await connection.fetch(_PARTICIPANTS, room_id, present, before, limit + 1, None)
    return [(seat_of(row), row) for row in rows]


async def participant(connection: Connection, room_id: UUID, reference: str) -> tuple[Seat, Record] | None:
    """Who is in it now, by call id or session id."""
    rows = await connection.fetch(_PARTICIPANTS, room_id, True, None, 1, reference)
    return (seat_of(rows[0]), rows[0]) if rows else None


def _numbers(principal: Principal) -> list[UUID] | None:
    return None if principal.number_ids is None else list(principal.number_ids)


def _reference(text: str) -> tuple[UUID | None, str]:
    try:
        return UUID(text), text
    except ValueError:
        return None, text


_COUNT = "(SELECT count(*)::int FROM room_seats WHERE room_id = rooms.id AND left_at IS NULL) AS participants"

_VISIBLE = """
kind = 'conference' AND workspace_id = $1 AND mode = $2 AND ($3::uuid[] IS NULL OR NOT EXISTS (
    SELECT FROM room_seats JOIN calls ON calls.id = room_seats.call_id
    WHERE room_seats.room_id = rooms.id AND NOT calls.number_id = ANY ($3)))
"""

_PAGE = f"""
SELECT {ROOM_COLUMNS}, {_COUNT} FROM rooms WHERE {_VISIBLE}
  AND ($4::text IS NULL OR status::text = $4) AND ($5::text IS NULL OR name = $5) AND ($6::uuid IS NULL OR id < $6)
ORDER BY id DESC LIMIT $7
"""

_FIND = f"""
SELECT {ROOM_COLUMNS}, {_COUNT} FROM rooms WHERE {_VISIBLE}
  AND (id = $4 OR (name = $5 AND ended_at IS NULL)) ORDER BY id = $4 DESC NULLS LAST LIMIT 1
"""

_PARTICIPANTS = f"""
SELECT {SEAT_COLUMNS}, calls.session_id,
       CASE calls.direction WHEN 'inbound' THEN calls.from_address ELSE calls.to_address END AS party
FROM room_seats JOIN calls ON calls.id = room_seats.call_id
WHERE room_seats.room_id = $1 AND (NOT $2 OR room_seats.left_at IS NULL) AND ($3::uuid IS NULL OR room_seats.id < $3)
  AND ($5::text IS NULL OR room_seats.call_id::text = $5 OR calls.session_id = $5)
ORDER BY room_seats.id DESC LIMIT $4
"""
