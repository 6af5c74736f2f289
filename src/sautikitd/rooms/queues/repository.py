"""The SQL of queues of callers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.rooms.queues.models import (
    MEMBER_COLUMNS,
    QUEUE_COLUMNS,
    Member,
    Queue,
    Waiting,
    member_of,
    queue_of,
)

_AVERAGE_OVER = timedelta(hours=1)


async def lock_or_make(
    connection: Connection, workspace_id: UUID, mode: Mode, name: str, now: datetime
) -> Queue:
    """The queue of that name, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK_OR_MAKE, uuid7(), workspace_id, mode, name, now)
    return queue_of(row)


async def find(connection: Connection, workspace_id: UUID, mode: Mode, reference: UUID | str) -> Queue | None:
    """By id or name."""
    column = "id" if isinstance(reference, UUID) else "name"
    row = await connection.fetchrow(
        f"SELECT {QUEUE_COLUMNS} FROM caller_queues WHERE workspace_id = $1 AND mode = $2 AND {column} = $3",
        *(workspace_id, mode, reference),
    )
    return queue_of(row) if row else None


async def get(connection: Connection, queue_id: UUID) -> Queue:
    return queue_of(
        await connection.fetchrow(f"SELECT {QUEUE_COLUMNS} FROM caller_queues WHERE id = $1", queue_id)
    )


async def size(connection: Connection, queue_id: UUID) -> int:
    """How many wait."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM queue_members WHERE queue_id = $1 AND status = 'waiting'", queue_id
    )
    return count


async def add(connection: Connection, queue_id: UUID, call_id: UUID, node_id: UUID, now: datetime) -> Member:
    row = await connection.fetchrow(_ADD, uuid7(), queue_id, call_id, node_id, now)
    return member_of(row)


async def lock_member(connection: Connection, member_id: UUID) -> Member | None:
    row = await connection.fetchrow(
        f"SELECT {MEMBER_COLUMNS} FROM queue_members WHERE id = $1 FOR UPDATE", member_id
    )
    return member_of(row) if row else None


async def oldest(connection: Connection, queue_id: UUID) -> Member | None:
    """Who has waited longest and is still there, locked; one whom somebody else is taking is not looked at."""
    row = await connection.fetchrow(_OLDEST, queue_id)
    return member_of(row) if row else None


async def update(connection: Connection, member_id: UUID, **columns: Any) -> Member:
    """Changes columns of a locked member."""
    sets = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=2))
    row = await connection.fetchrow(
        f"UPDATE queue_members SET {sets} WHERE id = $1 RETURNING {MEMBER_COLUMNS}",
        member_id,
        *columns.values(),
    )
    return member_of(row)


async def waiting(connection: Connection, member: Member, now: datetime) -> Waiting:
    row = await connection.fetchrow(_WAITING, member.queue_id, member.id, now - _AVERAGE_OVER)
    return Waiting(position=row["position"], size=row["size"], average_seconds=row["average_seconds"])


async def present_on(connection: Connection, node_id: UUID) -> list[Member]:
    """Those of a node's calls who are in a queue or were taken from one."""
    rows = await connection.fetch(
        f"SELECT {MEMBER_COLUMNS} FROM queue_members WHERE node_id = $1 AND left_at IS NULL", node_id
    )
    return [member_of(row) for row in rows]


async def adrift(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Members whose call has ended or whose node is dead: nobody else will take them out."""
    return [row["id"] for row in await connection.fetch(_ADRIFT, now, limit)]


async def page(
    connection: Connection,
    workspace_id: UUID,
    mode: Mode,
    *,
    name: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Record]:
    """Queues with their figures, newest first, at most `limit + 1`."""
    found: Sequence[Record] = await connection.fetch(_PAGE, workspace_id, mode, name, before, limit + 1, None)
    return found


async def figures(connection: Connection, queue: Queue) -> Record:
    rows = await connection.fetch(_PAGE, queue.workspace_id, queue.mode, None, None, 1, queue.id)
    return rows[0]


async def members_page(
    connection: Connection,
    queue_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    number_ids: list[UUID] | None,
) -> Sequence[Record]:
    """Who waits or was taken, the oldest first, at most `limit + 1`, each with his position. With `number_ids` only
    the callers of these numbers are shown, at their place among all."""
    found: Sequence[Record] = await connection.fetch(_MEMBERS, queue_id, after, limit + 1, None, number_ids)
    return found


async def present_member(
    connection: Connection, queue_id: UUID, call: str, *, number_ids: list[UUID] | None
) -> Record | None:
    """By call id or session id."""
    rows = await connection.fetch(_MEMBERS, queue_id, None, 1, call, number_ids)
    return rows[0] if rows else None


_LOCK_OR_MAKE = f"""
INSERT INTO caller_queues (id, workspace_id, mode, name, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (workspace_id, mode, name) DO UPDATE SET name = excluded.name RETURNING {QUEUE_COLUMNS}
"""

_ADD = f"""
INSERT INTO queue_members (id, queue_id, call_id, node_id, entered_at) VALUES ($1, $2, $3, $4, $5)
RETURNING {MEMBER_COLUMNS}
"""

_OLDEST = f"""
SELECT {MEMBER_COLUMNS} FROM queue_members JOIN calls ON calls.id = queue_members.call_id
WHERE queue_members.queue_id = $1 AND queue_members.status = 'waiting'
  AND calls.status = 'answered' AND calls.hangup_requested_at IS NULL
ORDER BY queue_members.id LIMIT 1 FOR UPDATE OF queue_members SKIP LOCKED
"""

_WAITING = """
SELECT (SELECT count(*)::int FROM queue_members WHERE queue_id = $1 AND status = 'waiting' AND id <= $2) AS position,
       (SELECT count(*)::int FROM queue_members WHERE queue_id = $1 AND status = 'waiting') AS size,
       coalesce((SELECT avg(extract(epoch FROM taken_at - entered_at))::int FROM queue_members
                 WHERE queue_id = $1 AND taken_at >= $3), 0) AS average_seconds
"""

_ADRIFT = """
SELECT queue_members.id FROM queue_members
JOIN calls ON calls.id = queue_members.call_id JOIN voice_nodes ON voice_nodes.id = queue_members.node_id
WHERE queue_members.left_at IS NULL
  AND (voice_nodes.stopped_at IS NOT NULL OR calls.ended_at < $1::timestamptz - interval '10 seconds')
LIMIT $2
"""

_PAGE = f"""
SELECT {QUEUE_COLUMNS}, coalesce(present.size, 0)::int AS size, present.oldest_at
FROM caller_queues LEFT JOIN LATERAL (
    SELECT count(*) AS size, min(entered_at) AS oldest_at FROM queue_members
    WHERE queue_id = caller_queues.id AND status = 'waiting') present ON true
WHERE workspace_id = $1 AND mode = $2 AND ($3::text IS NULL OR name = $3)
  AND ($4::uuid IS NULL OR caller_queues.id < $4) AND ($6::uuid IS NULL OR caller_queues.id = $6)
ORDER BY caller_queues.id DESC LIMIT $5
"""

_MEMBERS = f"""
SELECT {MEMBER_COLUMNS}, calls.number_id,
       CASE calls.direction WHEN 'inbound' THEN calls.from_address ELSE calls.to_address END AS party,
       CASE queue_members.status WHEN 'waiting' THEN (
            SELECT count(*)::int FROM queue_members before
            WHERE before.queue_id = $1 AND before.status = 'waiting' AND before.id <= queue_members.id) END AS position
FROM queue_members JOIN calls ON calls.id = queue_members.call_id
WHERE queue_members.queue_id = $1 AND queue_members.left_at IS NULL
  AND ($2::uuid IS NULL OR queue_members.id > $2)
  AND ($4::text IS NULL OR queue_members.call_id::text = $4 OR calls.session_id = $4)
  AND ($5::uuid[] IS NULL OR calls.number_id = ANY ($5))
ORDER BY queue_members.id LIMIT $3
"""
