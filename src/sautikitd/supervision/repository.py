"""The SQL of supervisions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.supervision.models import COLUMNS, SupervisionRecord, SupervisionState, record_of


async def insert(connection: Connection, values: dict[str, Any]) -> SupervisionRecord | None:
    """None when the call has one that is not over."""
    names = list(values)
    places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    row = await connection.fetchrow(
        f"INSERT INTO supervisions ({', '.join(names)}) VALUES ({places}) "
        f"ON CONFLICT (call_id) WHERE ended_at IS NULL DO NOTHING RETURNING {COLUMNS}",
        *values.values(),
    )
    return record_of(row) if row else None


async def find(connection: Connection, supervision_id: UUID) -> SupervisionRecord | None:
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM supervisions WHERE id = $1", supervision_id)
    return record_of(row) if row else None


async def newest_of(connection: Connection, call_id: UUID) -> SupervisionRecord | None:
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM supervisions WHERE call_id = $1 ORDER BY id DESC LIMIT 1", call_id
    )
    return record_of(row) if row else None


async def move(
    connection: Connection,
    supervision_id: UUID,
    state: SupervisionState,
    sources: list[str],
    values: dict[str, Any],
) -> SupervisionRecord | None:
    """None where its state does not lead there."""
    sets = "".join(f", {name} = ${place}" for place, name in enumerate(values, start=4))
    row = await connection.fetchrow(
        f"UPDATE supervisions SET state = $2{sets} WHERE id = $1 AND state = ANY ($3) RETURNING {COLUMNS}",
        supervision_id,
        state.value,
        sources,
        *values.values(),
    )
    return record_of(row) if row else None


async def set_mode(connection: Connection, supervision_id: UUID, mode: str) -> SupervisionRecord:
    row = await connection.fetchrow(
        f"UPDATE supervisions SET supervision_mode = $2 WHERE id = $1 RETURNING {COLUMNS}",
        supervision_id,
        mode,
    )
    return record_of(row)


async def of_ended_calls(connection: Connection, before: datetime, limit: int) -> list[UUID]:
    """Supervisions that are not over though their calls ended before `before`."""
    rows = await connection.fetch(_OF_ENDED_CALLS, before, limit)
    return [row["id"] for row in rows]


_OF_ENDED_CALLS = """
SELECT supervisions.id FROM supervisions JOIN calls ON calls.id = supervisions.call_id
WHERE supervisions.ended_at IS NULL AND calls.ended_at < $1 LIMIT $2
"""
