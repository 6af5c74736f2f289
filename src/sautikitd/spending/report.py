"""What was spent, by number, destination or day: sums over the ledger's call, rental and refund entries."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.wallet.models import Account


class By(StrEnum):
    NUMBER = "number"
    DESTINATION = "destination"
    DAY = "day"


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A number, a destination or a day, and the money that went there. Refunds are taken off.

    `key`: an E.164 number; the prefix of the tariff that priced the calls (`2547`; `rental` for rentals); or a day in
    Nairobi. `destination`: that tariff's name for the prefix when the calls were placed; null unless asked by destination.
    """

    key: str
    destination: str | None
    calls: int
    calls_minor: int
    rentals_minor: int
    total_minor: int


async def spent(
    connection: Connection,
    account: Account,
    by: By,
    start: datetime,
    end: datetime,
    number_ids: frozenset[UUID] | None,
) -> Sequence[Spent]:
    """The largest sum first, days in their order; at most 1,000 rows. `number_ids`: only these numbers' money."""
    name = _DESTINATION if by is By.DESTINATION else "NULL"
    order = "1" if by is By.DAY else "total_minor DESC, 1, 2"
    query = _SPENT.format(key=_KEYS[by], destination=name, order=order)
    allowed = None if number_ids is None else list(number_ids)
    rows = await connection.fetch(query, account.workspace_id, account.mode, start, end, allowed)
    return [Spent(**dict(row)) for row in rows]


_KEYS = {
    By.NUMBER: "coalesce(n.e164, '')",
    By.DESTINATION: "CASE t.cause_kind WHEN 'call' THEN coalesce(c.rate_prefix, '') ELSE 'rental' END",
    By.DAY: "((t.created_at AT TIME ZONE 'Africa/Nairobi')::date)::text",
}

_DESTINATION = "CASE t.cause_kind WHEN 'call' THEN coalesce(c.rate_destination, '') ELSE 'Number rentals' END"

_SPENT = """
SELECT {key} AS key, {destination} AS destination, count(*) FILTER (WHERE t.cause_kind = 'call') AS calls,
       coalesce(-sum(e.amount_minor) FILTER (WHERE t.cause_kind = 'call'), 0)::bigint AS calls_minor,
       coalesce(-sum(e.amount_minor) FILTER (WHERE t.cause_kind <> 'call'), 0)::bigint AS rentals_minor,
       -sum(e.amount_minor)::bigint AS total_minor
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
LEFT JOIN numbers n ON n.id = t.number_id
LEFT JOIN calls c ON c.id = t.call_id
WHERE t.workspace_id = $1 AND t.mode = $2 AND t.created_at >= $3 AND t.created_at < $4
  AND t.cause_kind IN ('call', 'rental', 'refund') AND ($5::uuid[] IS NULL OR t.number_id = ANY ($5))
GROUP BY 1, 2 ORDER BY {order} LIMIT 1000
"""
