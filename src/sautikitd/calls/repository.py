"""The SQL of calls: reading, inserting, moving from status to status."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls.models import COLUMNS, CallRecord, record_of
from sautikitd.calls.outcomes import CallStatus
from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode


async def session_numbers(connection: Connection, count: int) -> list[int]:
    """The next `count` numbers of calls, which nobody else gets, whether the transaction commits or not."""
    rows = await connection.fetch("SELECT nextval('call_sessions') FROM generate_series(1, $1::int)", count)
    return [row[0] for row in rows]


async def insert(connection: Connection, values: dict[str, Any]) -> CallRecord:
    """Inserts a call; `values` names columns, the others take their defaults."""
    return (await insert_many(connection, [values]))[0]


async def insert_many(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[CallRecord]:
    """Inserts calls of the same columns in one statement, in order."""
    names = list(rows[0])
    width = len(names)
    groups = ", ".join(
        "(" + ", ".join(f"${row * width + column + 1}" for column in range(width)) + ")"
        for row in range(len(rows))
    )
    statement = f"INSERT INTO calls ({', '.join(names)}) VALUES {groups} RETURNING {COLUMNS}"
    inserted = await connection.fetch(statement, *(row[name] for row in rows for name in names))
    return [record_of(row) for row in inserted]


async def lock(connection: Connection, call_id: UUID) -> CallRecord | None:
    """The call, locked until the transaction ends. Calls are locked before wallets.

    Rows that refer to it (recordings, callbacks) may be written meanwhile: its id does not change.
    """
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM calls WHERE id = $1 FOR NO KEY UPDATE", call_id)
    return record_of(row) if row else None


async def update(
    connection: Connection, call_id: UUID, values: dict[str, Any], *, counts: bool = False
) -> CallRecord:
    """Changes columns of a locked call. `counts`: a public event goes with it, so its sequence goes up by one."""
    columns = [f"{name} = ${position}" for position, name in enumerate(values, start=2)]
    if counts:
        columns.append("event_sequence = event_sequence + 1")
    row = await connection.fetchrow(
        f"UPDATE calls SET {', '.join(columns)} WHERE id = $1 RETURNING {COLUMNS}", call_id, *values.values()
    )
    return record_of(row)


async def lock_many(
    connection: Connection, call_ids: Sequence[UUID], *, wait: bool
) -> dict[UUID, CallRecord]:
    """These calls by id, as far as they exist, locked in the order of their ids; without `wait` less those that
    somebody else has locked."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM calls WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE {'' if wait else 'SKIP LOCKED'}",
        list(call_ids),
    )
    return {row["id"]: record_of(row) for row in rows}


async def store(connection: Connection, calls: Sequence[CallRecord]) -> None:
    """Writes what can change while calls run, of different calls that are locked, in one statement."""
    columns = [[getattr(call, name) for call in calls] for name in _PROGRESS]
    await connection.execute(_STORE, [call.id for call in calls], *columns)


async def find(
    connection: Connection, workspace_id: UUID, mode: Mode, reference: UUID | str
) -> CallRecord | None:
    """A call of the workspace by id or session id."""
    column = "id" if isinstance(reference, UUID) else "session_id"
    statement = f"SELECT {COLUMNS} FROM calls WHERE {column} = $1 AND workspace_id = $2 AND mode = $3"
    row = await connection.fetchrow(statement, reference, workspace_id, mode)
    return record_of(row) if row else None


async def legs_of(connection: Connection, call_ids: Sequence[UUID]) -> dict[UUID, list[CallRecord]]:
    """The child legs of each of these calls, oldest first."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM calls WHERE parent_call_id = ANY ($1) ORDER BY id", list(call_ids)
    )
    legs: dict[UUID, list[CallRecord]] = {}
    for row in map(record_of, rows):
        assert row.parent_call_id is not None
        legs.setdefault(row.parent_call_id, []).append(row)
    return legs


async def latest_events(connection: Connection, call_id: UUID, limit: int = 100) -> list[Record]:
    """The newest `limit` events of a call, oldest first, its own story (`flow.*`) included."""
    rows: list[Record] = await connection.fetch(_LATEST_EVENTS, call_id, limit)
    return rows


async def events_page(connection: Connection, call_id: UUID, before: UUID | None, limit: int) -> list[Record]:
    rows: list[Record] = await connection.fetch(_EVENTS_PAGE, call_id, before, limit)
    return rows


async def queued_ahead(connection: Connection, call: CallRecord) -> int:
    """How many calls of the same workspace and mode are dialled before this one."""
    count: int = await connection.fetchval(_QUEUED_AHEAD, call.workspace_id, call.mode, call.id)
    return count


class QueueSettings(msgspec.Struct, frozen=True):
    """Of a workspace. `waiting` is counted no further than `max_queued_calls`."""

    destination_prefixes: list[str]
    max_queued_calls: int
    waiting: int


def asked_queue(workspace_id: UUID, mode: Mode) -> Question[QueueSettings]:
    return Question(sql=_QUEUE_SETTINGS, arguments=(workspace_id, mode), kind=QueueSettings)


async def queue_settings(connection: Connection, workspace_id: UUID, mode: Mode) -> QueueSettings:
    row = await connection.fetchrow(_QUEUE_SETTINGS, workspace_id, mode)
    return QueueSettings(*row)


async def expired_in_queue(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    rows = await connection.fetch(_EXPIRED, now, limit)
    return [row["id"] for row in rows]


async def live_of(connection: Connection, workspace_id: UUID) -> list[CallRecord]:
    """Calls of a workspace that have not ended, of either mode."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM calls WHERE workspace_id = $1 AND mode = ANY ('{{live,test}}') "
        "AND status = ANY ($2::call_status[]) ORDER BY id FOR UPDATE",
        workspace_id,
        [CallStatus.QUEUED, CallStatus.RINGING, CallStatus.ANSWERED],
    )
    return [record_of(row) for row in rows]


_PROGRESS = {
    "status": "call_status",
    "started_at": "timestamptz",
    "ringing_at": "timestamptz",
    "answered_at": "timestamptz",
    "ended_at": "timestamptz",
    "updated_at": "timestamptz",
    "billed_seconds": "int",
    "cost_minor": "bigint",
    "failure_code": "text",
    "hangup_cause": "text",
    "hangup_by": "text",
    "sip_code": "int",
    "quality": "jsonb",
    "event_sequence": "int",
    "node_id": "uuid",
    "trunk_id": "uuid",
    "dialog": "jsonb",
}
"""The columns that the steps of a call change, with their types."""

# The second condition is what an index is asked with, whatever way they are joined.
_STORE = f"""
UPDATE calls SET {", ".join(f"{name} = step.{name}" for name in _PROGRESS)}
FROM unnest($1::uuid[], {", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_PROGRESS.values(), start=2))})
  AS step (id, {", ".join(_PROGRESS)})
WHERE calls.id = step.id AND calls.id = ANY ($1)
"""

_LATEST_EVENTS = """
SELECT * FROM (
    SELECT id, call_id, kind, data, occurred_at, created_at FROM events WHERE call_id = $1 ORDER BY id DESC LIMIT $2
) latest ORDER BY occurred_at, id
"""

_EVENTS_PAGE = """
SELECT id, call_id, kind, data, occurred_at, created_at FROM events
WHERE call_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""

_QUEUED_AHEAD = """
SELECT count(*) FROM calls
WHERE workspace_id = $1 AND mode = $2 AND status = 'queued' AND parent_call_id IS NULL AND id < $3
"""

_QUEUE_SETTINGS = """
SELECT q.destination_prefixes, q.max_queued_calls, (SELECT count(*) FROM (
    SELECT FROM calls c WHERE c.workspace_id = q.workspace_id AND c.mode = q.mode AND c.status = 'queued'
      AND c.parent_call_id IS NULL LIMIT q.max_queued_calls) counted) AS waiting
FROM call_queues q WHERE q.workspace_id = $1 AND q.mode = $2
"""

_EXPIRED = """
SELECT id FROM calls WHERE status = 'queued' AND parent_call_id IS NULL AND expires_at <= $1
ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
