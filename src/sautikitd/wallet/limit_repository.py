"""SQL of caps on spending and of the alarm."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection
from sautikitd.wallet.models import Account

WORKSPACE = UUID(int=0)
"""Stands for the whole workspace where others have the id of an API key."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """`spent_minor`: of calls that ended today (Nairobi); `held_minor`: by calls that go on. Without a cap as well."""

    key_id: UUID
    daily_minor: int | None
    per_call_minor: int | None
    spent_minor: int
    held_minor: int


async def limits(
    connection: Connection, account: Account, keys: Sequence[UUID], day_start: datetime
) -> list[Limit]:
    """Of the keys that have caps: most have none, and are not worth adding up for."""
    rows = await connection.fetch(_CAPPED, account.workspace_id, account.mode, list(keys), day_start)
    return [Limit(**dict(row)) for row in rows]


async def standing(
    connection: Connection, account: Account, keys: Sequence[UUID], day_start: datetime
) -> list[Limit]:
    """Of every key, with a cap or without."""
    rows = await connection.fetch(_STANDING, account.workspace_id, account.mode, list(keys), day_start)
    return [Limit(**dict(row)) for row in rows]


async def set_limit(
    connection: Connection,
    account: Account,
    key_id: UUID,
    daily_minor: int | None,
    per_call_minor: int | None,
) -> None:
    await connection.execute(_SET, account.workspace_id, account.mode, key_id, daily_minor, per_call_minor)


async def lock_limit(connection: Connection, account: Account, key_id: UUID) -> tuple[int | None, int | None]:
    """The daily and the per-call cap as they are, locked against others who change them."""
    row = await connection.fetchrow(_LOCK_LIMIT, account.workspace_id, account.mode, key_id)
    return row["daily_minor"], row["per_call_minor"]


async def lock_wallet(connection: Connection, account: Account) -> None:
    await connection.execute(_LOCK_WALLET, account.workspace_id, account.mode)


async def count(
    connection: Connection, account: Account, keys: Sequence[UUID], hour: datetime, cost_minor: int
) -> tuple[int, bool]:
    """Adds to the hour of each key; returns what the workspace's hour comes to, and whether any of the keys has a cap."""
    rows = await connection.fetch(_COUNT, account.workspace_id, account.mode, sorted(keys), hour, cost_minor)
    return next((int(row["spent_minor"]), row["capped"]) for row in rows if row["key_id"] == WORKSPACE)


async def dearest_hour(connection: Connection, account: Account, since: datetime, before: datetime) -> int:
    dearest: int = await connection.fetchval(
        _DEAREST, account.workspace_id, account.mode, WORKSPACE, since, before
    )
    return dearest


async def tell_once(connection: Connection, account: Account, key_id: UUID, today: date) -> bool:
    """True for the first to ask on a day."""
    return bool(await connection.fetchval(_TELL, account.workspace_id, account.mode, key_id, today))


class Standing(msgspec.Struct, frozen=True):
    """Why outbound calls are paused, if they are, and whether any of the keys asked for has a cap: most have none."""

    reason: str | None
    capped: bool


def asked_guards(account: Account, keys: Sequence[UUID]) -> Question[Standing]:
    return Question(sql=_GUARDS, arguments=(account.workspace_id, account.mode, list(keys)), kind=Standing)


async def guards(connection: Connection, account: Account, keys: Sequence[UUID]) -> Standing:
    row = await connection.fetchrow(_GUARDS, account.workspace_id, account.mode, list(keys))
    return Standing(row["reason"], row["capped"])


async def pause(connection: Connection, account: Account, reason: str, now: datetime) -> bool:
    """False where it is paused already, or was resumed within the hour."""
    return bool(await connection.fetchval(_PAUSE, account.workspace_id, account.mode, reason, now))


async def resume(connection: Connection, account: Account, now: datetime) -> bool:
    """Lifts a pause, and keeps the alarm quiet for an hour. False where there was none."""
    lifted = await connection.fetchval(_RESUME, account.workspace_id, account.mode)
    if lifted:
        quiet_until = now + timedelta(hours=1)
        await connection.execute(_QUIET, account.workspace_id, account.mode, quiet_until)
    return bool(lifted)


# A workspace's holds are in its wallet; those of a key are those of its calls.
_LIMITS = """
SELECT asked.key_id, l.daily_minor, l.per_call_minor,
  (SELECT coalesce(sum(s.spent_minor), 0)::bigint FROM spend_hours s
   WHERE s.workspace_id = $1 AND s.mode = $2 AND s.key_id = asked.key_id AND s.hour >= $4) AS spent_minor,
  CASE WHEN asked.key_id = '00000000-0000-0000-0000-000000000000'
    THEN (SELECT w.held_minor FROM wallets w WHERE w.workspace_id = $1 AND w.mode = $2)
    ELSE (SELECT coalesce(sum(h.amount_minor), 0)::bigint FROM holds h
          WHERE h.workspace_id = $1 AND h.mode = $2 AND h.state = 'open' AND h.cause_kind = 'call'
            AND (SELECT c.api_key_id FROM calls c WHERE c.id = h.cause_id::uuid) = asked.key_id) END AS held_minor
FROM unnest($3::uuid[]) AS asked (key_id)
{join} JOIN spend_limits l ON l.workspace_id = $1 AND l.mode = $2 AND l.key_id = asked.key_id
ORDER BY asked.key_id
"""
_CAPPED = _LIMITS.format(join="INNER")
_STANDING = _LIMITS.format(join="LEFT")

_SET = """
UPDATE spend_limits SET daily_minor = $4, per_call_minor = $5, told_on = NULL
WHERE workspace_id = $1 AND mode = $2 AND key_id = $3
"""

_LOCK_LIMIT = """
INSERT INTO spend_limits (workspace_id, mode, key_id) VALUES ($1, $2, $3)
ON CONFLICT (workspace_id, mode, key_id) DO UPDATE SET key_id = excluded.key_id
RETURNING daily_minor, per_call_minor
"""

_LOCK_WALLET = "SELECT FROM wallets WHERE workspace_id = $1 AND mode = $2 FOR UPDATE"

_COUNT = """
INSERT INTO spend_hours AS s (workspace_id, mode, key_id, hour, spent_minor)
SELECT $1, $2::text, key_id, $4, $5 FROM unnest($3::uuid[]) AS key_id
ON CONFLICT (workspace_id, mode, key_id, hour) DO UPDATE SET spent_minor = s.spent_minor + excluded.spent_minor
RETURNING key_id, spent_minor, EXISTS (
    SELECT FROM spend_limits l WHERE l.workspace_id = $1 AND l.mode = $2::text AND l.key_id = ANY ($3::uuid[])) AS capped
"""

_DEAREST = """
SELECT coalesce(max(spent_minor), 0)::bigint FROM spend_hours
WHERE workspace_id = $1 AND mode = $2 AND key_id = $3 AND hour >= $4 AND hour < $5
"""

_TELL = """
UPDATE spend_limits SET told_on = $4
WHERE workspace_id = $1 AND mode = $2 AND key_id = $3 AND told_on IS DISTINCT FROM $4 RETURNING true
"""

_GUARDS = """
SELECT (SELECT reason FROM outbound_pauses WHERE workspace_id = $1 AND mode = $2) AS reason,
       EXISTS (SELECT FROM spend_limits WHERE workspace_id = $1 AND mode = $2 AND key_id = ANY ($3)) AS capped
"""

_PAUSE = """
INSERT INTO outbound_pauses (workspace_id, mode, reason, paused_at)
SELECT $1, $2::text, $3, $4 WHERE NOT EXISTS (
    SELECT FROM outbound_resumptions WHERE workspace_id = $1 AND mode = $2::text AND quiet_until > $4)
ON CONFLICT DO NOTHING RETURNING true
"""

_RESUME = "DELETE FROM outbound_pauses WHERE workspace_id = $1 AND mode = $2 RETURNING true"

_QUIET = """
INSERT INTO outbound_resumptions (workspace_id, mode, quiet_until) VALUES ($1, $2, $3)
ON CONFLICT (workspace_id, mode) DO UPDATE SET quiet_until = excluded.quiet_until
"""
