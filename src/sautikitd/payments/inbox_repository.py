"""SQL of what Daraja posted: kept first, worked on afterwards."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Mode

KEPT = timedelta(days=90)
_BATCH = 1000

InboxKind = Literal["stk", "c2b", "result"]
InboxState = Literal["processed", "ignored", "given_up"]


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery, its body encrypted under its id."""

    id: UUID
    mode: Mode
    kind: InboxKind
    topup_id: UUID | None
    body_encrypted: bytes
    source_address: str
    received_at: datetime
    attempts: int = 0
    request_id: UUID | None = None


async def keep(connection: Connection, posted: Posted) -> None:
    await connection.execute(
        _KEEP,
        posted.id,
        posted.mode,
        posted.kind,
        posted.topup_id,
        posted.body_encrypted,
        posted.source_address,
        posted.received_at,
        posted.request_id,
    )


async def take(connection: Connection, now: datetime) -> Posted | None:
    """The oldest that is due, locked until the transaction ends."""
    row = await connection.fetchrow(_TAKE, now)
    return None if row is None else Posted(**dict(row))


async def finish(connection: Connection, posted_id: UUID, state: InboxState, note: str) -> None:
    await connection.execute(_FINISH, posted_id, state, note)


async def postpone(connection: Connection, posted_id: UUID, due_at: datetime, note: str) -> None:
    await connection.execute(_POSTPONE, posted_id, due_at, note)


async def hold(connection: Connection, posted_id: UUID) -> bool:
    """Locks one that is still to be worked off; False when it no longer is."""
    return bool(await connection.fetchval(_HOLD, posted_id))


async def forget_batch(database: Database, now: datetime) -> int:
    """Removes some of the raw deliveries that are older than 90 days; how many, 0 when none are left."""
    async with database.connection() as connection:
        return len(await connection.fetch(_FORGET, now - KEPT, _BATCH))


def context(posted_id: UUID) -> str:
    """What the body is encrypted with, besides the key."""
    return f"mpesa inbox {posted_id}"


_KEEP = """
INSERT INTO mpesa_inbox (id, mode, kind, topup_id, body_encrypted, source_address, received_at, due_at, state, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 'received', $8)
"""

_TAKE = """
SELECT id, mode, kind, topup_id, body_encrypted, source_address, received_at, attempts, request_id FROM mpesa_inbox
WHERE state = 'received' AND due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_FINISH = "UPDATE mpesa_inbox SET state = $2, note = $3, due_at = NULL WHERE id = $1"

_POSTPONE = "UPDATE mpesa_inbox SET attempts = attempts + 1, due_at = $2, note = $3 WHERE id = $1 AND state = 'received'"

_HOLD = "SELECT true FROM mpesa_inbox WHERE id = $1 AND state = 'received' FOR UPDATE"

_FORGET = """
DELETE FROM mpesa_inbox WHERE id IN (
    SELECT id FROM mpesa_inbox WHERE received_at < $1 AND state <> 'received' ORDER BY received_at LIMIT $2)
RETURNING id
"""
