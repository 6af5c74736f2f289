"""SQL of API keys."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode
from sautikitd.identity.keys.models import KeyRecord, NewKey
from sautikitd.identity.principal import Role
from sautikitd.ids import uuid7


async def find_by_hash(connection: Connection, key_hash: bytes) -> KeyRecord | None:
    row = await connection.fetchrow(f"{_SELECT} WHERE k.key_hash = $1", key_hash)
    return row and _key(row)


async def find(connection: Connection, workspace_id: UUID, mode: Mode, key_id: UUID) -> KeyRecord | None:
    query = f"{_SELECT} WHERE k.id = $3 AND k.workspace_id = $1 AND k.mode = $2"
    row = await connection.fetchrow(query, workspace_id, mode, key_id)
    return row and _key(row)


async def find_anybodys(connection: Connection, key_id: UUID) -> KeyRecord | None:
    row = await connection.fetchrow(f"{_SELECT} WHERE k.id = $1", key_id)
    return row and _key(row)


async def lock(connection: Connection, key_ids: Set[UUID]) -> None:
    """Locks these keys until the end of the transaction, in the order of their ids."""
    await connection.execute(
        "SELECT FROM api_keys WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(key_ids)
    )


async def newest(
    connection: Connection, workspace_id: UUID, mode: Mode, *, after: UUID | None, limit: int
) -> list[KeyRecord]:
    rows = await connection.fetch(
        f"{_SELECT} WHERE k.workspace_id = $1 AND k.mode = $2 AND ($3::uuid IS NULL OR k.id < $3)"
        " ORDER BY k.id DESC LIMIT $4",
        workspace_id,
        mode,
        after,
        limit,
    )
    return [_key(row) for row in rows]


async def insert(connection: Connection, new: NewKey, key_hash: bytes, hint: str, now: datetime) -> UUID:
    made = uuid7()
    await connection.execute(
        _INSERT,
        made,
        new.workspace_id,
        new.mode,
        new.name,
        key_hash,
        hint,
        sorted(new.scopes),
        None if new.number_ids is None else sorted(new.number_ids),
        new.source_cidrs,
        new.created_by,
        new.expires_at,
        now,
    )
    return made


async def revoke(connection: Connection, key_id: UUID, now: datetime) -> None:
    await connection.execute(
        "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", key_id, now
    )


async def retire(connection: Connection, key_id: UUID, successor: UUID, expires_at: datetime) -> None:
    """Marks a key as rolled; it works until `expires_at`, or its own expiry when that is sooner."""
    await connection.execute(_RETIRE, key_id, successor, expires_at)


async def note_use(connection: Connection, uses: Mapping[UUID, datetime]) -> None:
    """Moves `last_used_at` forward. A key that is locked at the moment is passed over: the next use will tell."""
    moments: Sequence[datetime] = list(uses.values())
    await connection.execute(_NOTE_USE, list(uses), moments)


def _key(row: Record) -> KeyRecord:
    fields = dict(row)
    fields["scopes"] = frozenset(row["scopes"])
    fields["number_ids"] = None if row["number_ids"] is None else frozenset(row["number_ids"])
    fields["source_cidrs"] = None if row["source_cidrs"] is None else tuple(row["source_cidrs"])
    fields["maker_role"] = None if row["maker_role"] is None else Role(row["maker_role"])
    return KeyRecord(**fields)


_SELECT = """
SELECT k.id, k.workspace_id, k.mode, k.name, k.key_hint, k.scopes, k.number_ids, k.source_cidrs, k.created_by,
  k.rolled_to, k.expires_at, k.revoked_at, k.last_used_at, k.created_at,
  m.role AS maker_role, w.suspended_at IS NOT NULL AS suspended, coalesce(c.ahead_seconds, 0) AS ahead_seconds
FROM api_keys k JOIN workspaces w ON w.id = k.workspace_id
LEFT JOIN test_clocks c ON c.workspace_id = k.workspace_id AND k.mode = 'test'
LEFT JOIN members m ON m.workspace_id = k.workspace_id AND m.user_id = k.created_by
"""

_INSERT = """
INSERT INTO api_keys (id, workspace_id, mode, name, key_hash, key_hint, scopes, number_ids, source_cidrs,
  created_by, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

_RETIRE = """
UPDATE api_keys SET rolled_to = $2, expires_at = least(expires_at, $3) WHERE id = $1
"""

_NOTE_USE = """
WITH used AS (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, at)),
free AS (SELECT id FROM api_keys WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
UPDATE api_keys k SET last_used_at = used.at
FROM used JOIN free USING (id)
WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)
"""
