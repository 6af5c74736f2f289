"""Reading public events of one workspace and mode."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Event, Mode


async def list_events(
    connection: Connection,
    workspace_id: UUID,
    mode: Mode,
    *,
    limit: int,
    before: UUID | None = None,
    kinds: Sequence[str] | None = None,
    number_id: UUID | None = None,
    call_id: UUID | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    allowed_numbers: Collection[UUID] | None = None,
) -> list[Event]:
    """Newest first, at most `limit + 1` (one more says that there is a next page); times are `occurred_at`.

    `allowed_numbers` are those of a restricted key: only their events are its business."""
    rows = await connection.fetch(
        _LIST,
        workspace_id,
        mode,
        before,
        list(kinds) if kinds else None,
        number_id,
        call_id,
        created_after,
        created_before,
        limit + 1,
        None if allowed_numbers is None else list(allowed_numbers),
    )
    return [_event(row) for row in rows]


async def find_event(connection: Connection, workspace_id: UUID, mode: Mode, event_id: UUID) -> Event | None:
    row = await connection.fetchrow(_FIND, workspace_id, mode, event_id)
    return _event(row) if row else None


def _event(row: Record) -> Event:
    return Event(**dict(row.items()))


_COLUMNS = "id, workspace_id, mode, kind, data, occurred_at, call_id, number_id, sequence"

_LIST = f"""
SELECT {_COLUMNS} FROM events
WHERE workspace_id = $1 AND mode = $2 AND kind NOT LIKE 'flow.%'
  AND ($3::uuid IS NULL OR id < $3)
  AND ($4::text[] IS NULL OR kind = ANY ($4))
  AND ($5::uuid IS NULL OR number_id = $5)
  AND ($6::uuid IS NULL OR call_id = $6)
  AND ($7::timestamptz IS NULL OR occurred_at >= $7)
  AND ($8::timestamptz IS NULL OR occurred_at < $8)
  AND ($10::uuid[] IS NULL OR number_id = ANY ($10))
ORDER BY id DESC LIMIT $9
"""

_FIND = f"""
SELECT {_COLUMNS} FROM events
WHERE workspace_id = $1 AND mode = $2 AND id = $3 AND kind NOT LIKE 'flow.%'
"""
