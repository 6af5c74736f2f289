"""SQL of rentals: which numbers owe one, and what becomes of them."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.numbers.rental_rules import Rental
from sautikitd.wallet.prices import nairobi_day


async def due(connection: Connection, now: datetime, after: UUID, limit: int) -> Sequence[tuple[UUID, int]]:
    """Numbers whose rental is owed at `now`, oldest first, and how far ahead their workspace's test clock is.

    Unpaid ones appear once a day, and as soon as their wallet has what they owe.
    """
    rows = await connection.fetch(_DUE, nairobi_day(now), now, after, limit)
    return [(row["id"], row["ahead_seconds"]) for row in rows]


async def lock(connection: Connection, number_id: UUID) -> NumberRecord | None:
    """None when it is released, or another worker has it in hand."""
    row = await connection.fetchrow(_LOCK, number_id)
    return None if row is None else _number(row)


async def lock_test_numbers(connection: Connection, workspace_id: UUID) -> list[NumberRecord]:
    """All of them at once, in the order of their ids, before any of them leads to the wallet's lock."""
    return [_number(row) for row in await connection.fetch(_LOCK_TEST, workspace_id)]


async def renew(connection: Connection, number_id: UUID, rental: Rental, now: datetime) -> NumberRecord:
    charge = rental.charge
    days = rental.first_day, rental.last_day
    return _number(
        await connection.fetchrow(
            _RENEW, number_id, *days, charge.net, charge.vat, rental.vat_basis_points, now
        )
    )


async def owe(
    connection: Connection,
    number_id: UUID,
    status: NumberStatus,
    today: date,
    due_minor: int,
    now: datetime,
) -> NumberRecord:
    return _number(await connection.fetchrow(_OWE, number_id, status, today, due_minor, now))


def _number(row: Record) -> NumberRecord:
    return msgspec.convert(dict(row), NumberRecord)


_COLUMNS = ", ".join(NumberRecord.__struct_fields__)

# $1 is today in Nairobi by the real clock; test numbers live in the days of their workspace's clock.
_DUE = """
WITH moved AS MATERIALIZED (
    SELECT workspace_id, ahead_seconds,
           (($2::timestamptz + make_interval(secs => ahead_seconds)) AT TIME ZONE 'Africa/Nairobi')::date AS today
    FROM test_clocks WHERE ahead_seconds > 0
), found AS (
    SELECT id, 0::bigint AS ahead_seconds FROM numbers n
    WHERE status = 'active' AND paid_through < $1
      AND (mode = 'live' OR NOT EXISTS (SELECT FROM moved m WHERE m.workspace_id = n.workspace_id))
    UNION ALL
    SELECT n.id, m.ahead_seconds FROM moved m JOIN numbers n ON n.workspace_id = m.workspace_id
    WHERE n.mode = 'test' AND n.status = 'active' AND n.paid_through < m.today
    UNION ALL
    SELECT n.id, coalesce(m.ahead_seconds, 0)
    FROM numbers n JOIN wallets w ON w.workspace_id = n.workspace_id AND w.mode = n.mode
    LEFT JOIN moved m ON m.workspace_id = n.workspace_id AND n.mode = 'test'
    WHERE n.status IN ('past_due', 'suspended')
      AND (n.tried_on < coalesce(m.today, $1) OR w.balance_minor - w.held_minor >= n.due_minor)
)
SELECT id, ahead_seconds FROM found WHERE id > $3 ORDER BY id LIMIT $4
"""

_LOCK = f"SELECT {_COLUMNS} FROM numbers WHERE id = $1 AND released_at IS NULL FOR UPDATE SKIP LOCKED"

_LOCK_TEST = f"""
SELECT {_COLUMNS} FROM numbers WHERE workspace_id = $1 AND mode = 'test' AND released_at IS NULL ORDER BY id FOR UPDATE
"""

_RENEW = f"""
UPDATE numbers SET status = 'active', paid_from = $2, paid_through = $3, paid_net_minor = $4, paid_vat_minor = $5,
  vat_basis_points = $6, past_due_since = NULL, due_minor = 0, tried_on = NULL, updated_at = $7
WHERE id = $1 RETURNING {_COLUMNS}
"""

_OWE = f"""
UPDATE numbers SET status = $2, past_due_since = coalesce(past_due_since, $3), due_minor = $4, tried_on = $3,
  updated_at = $5
WHERE id = $1 RETURNING {_COLUMNS}
"""
