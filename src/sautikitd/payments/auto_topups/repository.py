"""SQL of auto-top-ups."""

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.wallet.models import Account


class AutoTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """When the balance is below `below_minor`, `phone_e164` is asked for `amount_minor`."""

    phone_e164: str
    amount_minor: int
    below_minor: int
    updated_at: datetime


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An offer to make now, its row locked."""

    workspace_id: UUID
    mode: Mode
    phone_e164: str
    amount_minor: int


async def find(connection: Connection, account: Account) -> AutoTopUp | None:
    row = await connection.fetchrow(_FIND, account.workspace_id, account.mode)
    return None if row is None else AutoTopUp(**dict(row))


async def put(connection: Connection, account: Account, wanted: AutoTopUp) -> None:
    await connection.execute(
        _PUT,
        account.workspace_id,
        account.mode,
        wanted.phone_e164,
        wanted.amount_minor,
        wanted.below_minor,
        wanted.updated_at,
    )


async def remove(connection: Connection, account: Account) -> bool:
    return bool(await connection.fetchval(_REMOVE, account.workspace_id, account.mode))


async def lock_due(
    connection: Connection, now: datetime, today: date, most_a_day: int, after_failure: timedelta
) -> Due | None:
    row = await connection.fetchrow(_DUE, now, today, most_a_day, now - after_failure)
    return None if row is None else Due(**dict(row))


async def offered(connection: Connection, account: Account, topup_id: UUID, today: date) -> None:
    await connection.execute(_OFFERED, account.workspace_id, account.mode, topup_id, today)


async def postpone(connection: Connection, account: Account, until: datetime) -> None:
    await connection.execute(_POSTPONE, account.workspace_id, account.mode, until)


_FIND = """
SELECT phone_e164, amount_minor, below_minor, updated_at FROM auto_topups WHERE workspace_id = $1 AND mode = $2
"""

# What was offered today still counts after a change.
_PUT = """
INSERT INTO auto_topups (workspace_id, mode, phone_e164, amount_minor, below_minor, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (workspace_id, mode) DO UPDATE SET phone_e164 = excluded.phone_e164, amount_minor = excluded.amount_minor,
    below_minor = excluded.below_minor, updated_at = excluded.updated_at
"""

_REMOVE = "DELETE FROM auto_topups WHERE workspace_id = $1 AND mode = $2 RETURNING true"

# Not while any top-up of the workspace may yet bring the balance up, whoever asked for it: while its prompt may be on a
# phone, and for an hour, in which queries and pulls find what can be found. The fate of some is open for two days.
_DUE = """
SELECT a.workspace_id, a.mode, a.phone_e164, a.amount_minor
FROM auto_topups a
JOIN wallets w USING (workspace_id, mode)
JOIN workspaces s ON s.id = a.workspace_id
LEFT JOIN topups last ON last.id = a.last_topup_id
WHERE w.balance_minor < a.below_minor AND s.suspended_at IS NULL AND a.next_offer_at <= $1
  AND (a.asked_on IS DISTINCT FROM $2 OR a.asked_count < $3)
  AND (last.id IS NULL OR last.status <> 'failed' OR last.completed_at <= $4)
  AND NOT EXISTS (SELECT FROM topups t WHERE t.workspace_id = a.workspace_id AND t.mode = a.mode AND t.status = 'pending'
                  AND (t.prompt_open OR t.created_at > $4))
ORDER BY a.updated_at LIMIT 1 FOR UPDATE OF a SKIP LOCKED
"""

_OFFERED = """
UPDATE auto_topups SET last_topup_id = $3, asked_on = $4::date,
    asked_count = CASE WHEN asked_on = $4::date THEN asked_count + 1 ELSE 1 END
WHERE workspace_id = $1 AND mode = $2
"""

_POSTPONE = "UPDATE auto_topups SET next_offer_at = $3 WHERE workspace_id = $1 AND mode = $2"
