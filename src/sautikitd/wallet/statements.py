"""Statements: the wallet's entries, newest first. Holds never appear."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.csv_lines import csv_lines
from sautikitd.database.pool import Connection, Database, Record
from sautikitd.timestamps import rfc3339
from sautikitd.wallet.models import Account, EntryType, StatementEntry
from sautikitd.wallet.money import CURRENCY

# The cursor is an entry's id; what is older has a lower sequence, whatever the clocks said. An unknown one is NULL: no rows.
_ENTRIES = """
SELECT t.id, t.cause_kind AS type, e.amount_minor, e.balance_after_minor, t.description, t.reference, t.created_at,
       t.call_id, t.number_id, t.topup_id
FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
WHERE e.workspace_id = $1 AND e.mode = $2 AND e.account = 'wallet'
  AND t.workspace_id = $1 AND t.mode = $2
  AND e.sequence < CASE WHEN $3::uuid IS NULL THEN 9223372036854775807 ELSE (
      SELECT sequence FROM ledger_entries WHERE transaction_id = $3 AND line = 0 AND workspace_id = $1 AND mode = $2) END
  AND ($4::timestamptz IS NULL OR t.created_at >= $4)
  AND ($5::timestamptz IS NULL OR t.created_at < $5)
  AND ($6::text IS NULL OR t.cause_kind = $6)
  AND ($7::uuid[] IS NULL OR t.number_id = ANY ($7))
ORDER BY e.sequence DESC
LIMIT $8
"""

_EXPORT_BATCH = 1_000
_COLUMNS = (
    *("id", "created_at", "type", "amount_minor", "balance_after_minor", "currency"),
    *("description", "reference", "call_id", "number_id", "topup_id"),
)


class StatementFilters(msgspec.Struct, frozen=True, kw_only=True):
    """`created_after` is included, `created_before` is not. With `number_ids` only what these numbers cost."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    type: EntryType | None = None
    number_ids: frozenset[UUID] | None = None


async def statements(
    connection: Connection, account: Account, filters: StatementFilters, after: UUID | None, limit: int
) -> Sequence[StatementEntry]:
    """Up to `limit` entries older than the one with the id `after`; newest first. An unknown `after` finds none."""
    rows = await connection.fetch(
        _ENTRIES,
        account.workspace_id,
        account.mode,
        after,
        filters.created_after,
        filters.created_before,
        filters.type,
        None if filters.number_ids is None else list(filters.number_ids),
        limit,
    )
    return [_entry(row) for row in rows]


def _entry(row: Record) -> StatementEntry:
    shown = {"type": EntryType(row["type"]), "created_at": rfc3339(row["created_at"]), "currency": CURRENCY}
    return StatementEntry(**{**dict(row), **shown})


async def statements_csv(
    database: Database, account: Account, filters: StatementFilters
) -> AsyncIterator[bytes]:
    """The same entries, all of them, as CSV (RFC 4180) in UTF-8; the first chunk is the header.

    A batch at a time, each on a connection of its own: neither memory nor a connection waits for a slow reader.
    """
    yield csv_lines([_COLUMNS])
    after: UUID | None = None
    while True:
        async with database.connection() as connection:
            batch = await statements(connection, account, filters, after, _EXPORT_BATCH)
        if batch:
            yield csv_lines([_csv_row(entry) for entry in batch])
        if len(batch) < _EXPORT_BATCH:
            return
        after = batch[-1].id


def _csv_row(entry: StatementEntry) -> Sequence[object]:
    texts = (entry.description, entry.reference)
    amounts = (entry.amount_minor, entry.balance_after_minor, entry.currency)
    return (
        entry.id,
        entry.created_at,
        entry.type,
        *amounts,
        *texts,
        entry.call_id,
        entry.number_id,
        entry.topup_id,
    )
