"""SQL of alert subscribers."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.wallet.models import Account


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """`pending` until the link in the opt-in mail is confirmed, at the latest by `confirm_until`."""

    id: UUID
    workspace_id: UUID
    email: str
    status: Literal["pending", "confirmed"]
    confirm_until: datetime
    confirmed_at: datetime | None
    created_at: datetime


async def lock_list(connection: Connection, account: Account) -> None:
    """One at a time may lengthen a workspace's list; held until the transaction ends."""
    name = f"alert subscribers {account.workspace_id} {account.mode}"
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)


async def forget_lapsed(connection: Connection, account: Account, now: datetime) -> None:
    await connection.execute(_FORGET_LAPSED, account.workspace_id, account.mode, now)


async def every(connection: Connection, account: Account) -> list[Subscriber]:
    """All of them, newest first; there are at most twenty."""
    rows = await connection.fetch(_EVERY, account.workspace_id, account.mode)
    return [_subscriber(row) for row in rows]


async def add(
    connection: Connection,
    account: Account,
    subscriber_id: UUID,
    email: str,
    until: datetime,
    now: datetime,
) -> Subscriber:
    row = await connection.fetchrow(
        _ADD, subscriber_id, account.workspace_id, account.mode, email, until, now
    )
    return _subscriber(row)


async def remove(connection: Connection, account: Account, subscriber_id: UUID) -> bool:
    return bool(await connection.fetchval(_REMOVE, subscriber_id, account.workspace_id, account.mode))


async def find(connection: Connection, subscriber_id: UUID) -> Subscriber | None:
    row = await connection.fetchrow("SELECT * FROM alert_subscribers WHERE id = $1", subscriber_id)
    return None if row is None else _subscriber(row)


async def confirm(connection: Connection, subscriber_id: UUID, now: datetime) -> bool:
    """Harmless to repeat. False when it is gone, or its seven days are over."""
    return bool(await connection.fetchval(_CONFIRM, subscriber_id, now))


async def unsubscribe(connection: Connection, subscriber_id: UUID) -> None:
    await connection.execute("DELETE FROM alert_subscribers WHERE id = $1", subscriber_id)


def _subscriber(row: Record) -> Subscriber:
    return msgspec.convert({name: row[name] for name in Subscriber.__struct_fields__}, Subscriber)


_EVERY = "SELECT * FROM alert_subscribers WHERE workspace_id = $1 AND mode = $2 ORDER BY id DESC"

_FORGET_LAPSED = """
DELETE FROM alert_subscribers WHERE workspace_id = $1 AND mode = $2 AND status = 'pending' AND confirm_until <= $3
"""

_ADD = """
INSERT INTO alert_subscribers (id, workspace_id, mode, email, confirm_until, created_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING *
"""

_REMOVE = "DELETE FROM alert_subscribers WHERE id = $1 AND workspace_id = $2 AND mode = $3 RETURNING true"

_CONFIRM = """
UPDATE alert_subscribers SET status = 'confirmed', confirmed_at = coalesce(confirmed_at, $2)
WHERE id = $1 AND (status = 'confirmed' OR confirm_until > $2) RETURNING true
"""
