"""SQL of wallets and of the ledger. Every writing statement locks the wallet first and decides on what it then sees."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection, Record
from sautikitd.wallet.models import Account, Balance, Cause, Details, EntryRef, EntryType, LedgerAccount
from sautikitd.wallet.money import Minor

_OPEN = """
INSERT INTO wallets (workspace_id, mode, updated_at)
SELECT $1, mode, $2 FROM unnest('{live,test}'::text[]) AS mode
ON CONFLICT DO NOTHING
"""

_BALANCE = """
SELECT workspace_id, balance_minor, held_minor, balance_minor - held_minor AS available_minor, low_balance_threshold_minor
FROM wallets WHERE workspace_id = $1 AND mode = $2
"""

_LOCK_MANY = """
SELECT FROM (SELECT * FROM unnest($1::uuid[], $2::text[]) AS one (workspace_id, mode) ORDER BY workspace_id, mode) AS one
CROSS JOIN LATERAL (SELECT FROM wallets WHERE workspace_id = one.workspace_id AND mode = one.mode FOR UPDATE) AS w
"""

# The transaction is written only where the wallet can bear it and its cause is new; then the wallet and the entries follow.
_POST = """
WITH locked AS MATERIALIZED (
    SELECT balance_minor - held_minor AS available_minor, low_balance_armed
    FROM wallets WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
), posted AS (
    INSERT INTO ledger_transactions (id, workspace_id, mode, cause_kind, cause_id, entry_count, description, reference,
                                     call_id, number_id, topup_id, tax_basis_points, created_at)
    SELECT $3, $1, $2, $4, $5, 1 + cardinality($8::bigint[]), $9, $10, $11, $12, $13, $14, $15
    FROM locked WHERE $16 OR available_minor + $6::bigint >= 0
    ON CONFLICT (cause_kind, cause_id) DO NOTHING
    RETURNING id
), wallet AS (
    UPDATE wallets AS w
    SET balance_minor = w.balance_minor + $6::bigint, entry_count = w.entry_count + 1, updated_at = $15,
        low_balance_armed = w.balance_minor + $6::bigint >= w.low_balance_threshold_minor
    FROM posted WHERE w.workspace_id = $1 AND w.mode = $2
    RETURNING w.balance_minor, w.held_minor, w.low_balance_threshold_minor, w.low_balance_armed, w.entry_count
), entries AS (
    INSERT INTO ledger_entries (transaction_id, line, account, amount_minor, workspace_id, mode, sequence, balance_after_minor)
    SELECT posted.id, 0, 'wallet', $6::bigint, $1, $2, wallet.entry_count, wallet.balance_minor FROM posted, wallet
    UNION ALL
    SELECT posted.id, line, account, amount_minor, NULL, NULL, NULL, NULL
    FROM posted, unnest($7::text[], $8::bigint[]) WITH ORDINALITY AS other (account, amount_minor, line)
)
SELECT locked.available_minor, wallet.balance_minor, wallet.held_minor, wallet.low_balance_threshold_minor,
       locked.low_balance_armed AND NOT wallet.low_balance_armed AS fell_low
FROM locked LEFT JOIN wallet ON true
"""

_FIND = """
SELECT id, e.amount_minor, e.balance_after_minor, e.workspace_id, e.mode
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
WHERE t.cause_kind = $1 AND t.cause_id = $2
"""

_ENTRY_IDS = (
    "SELECT cause_id, id FROM ledger_transactions WHERE cause_kind = $1 AND cause_id = ANY ($2::text[])"
)

_SET_THRESHOLD = """
WITH locked AS MATERIALIZED (
    SELECT low_balance_armed FROM wallets WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
)
UPDATE wallets AS w
SET low_balance_threshold_minor = $3, low_balance_armed = w.balance_minor >= $3, updated_at = $4
FROM locked WHERE w.workspace_id = $1 AND w.mode = $2
RETURNING w.balance_minor, w.held_minor, w.low_balance_threshold_minor,
          locked.low_balance_armed AND NOT w.low_balance_armed AS fell_low
"""


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction to be: what the wallet gains (negative: pays) and, with opposite sum, what the platform's accounts gain."""

    id: UUID
    account: Account
    cause: Cause
    wallet_minor: int
    others: Sequence[tuple[LedgerAccount, int]]
    details: Details
    at: datetime
    may_overdraw: bool


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet after a change; `fell_low` when the change took it below its threshold."""

    balance_minor: Minor
    held_minor: Minor
    low_balance_threshold_minor: Minor
    fell_low: bool

    def balance_of(self, account: Account) -> Balance:
        return Balance(
            workspace_id=account.workspace_id,
            balance_minor=self.balance_minor,
            held_minor=self.held_minor,
            available_minor=Minor(self.balance_minor - self.held_minor),
            low_balance_threshold_minor=self.low_balance_threshold_minor,
        )


class Outcome(msgspec.Struct, frozen=True):
    """`change` is None when nothing was written: too little `available_minor`, or a cause that is not new."""

    available_minor: int
    change: Change | None


async def open_wallets(connection: Connection, workspace_id: UUID, at: datetime) -> None:
    await connection.execute(_OPEN, workspace_id, at)


async def balance(connection: Connection, account: Account) -> Balance | None:
    row = await connection.fetchrow(_BALANCE, account.workspace_id, account.mode)
    return None if row is None else Balance(**dict(row))


def asked_balance(account: Account) -> Question[Balance]:
    """The same, to be asked with others."""
    return Question(sql=_BALANCE, arguments=(account.workspace_id, account.mode), kind=Balance)


async def lock(connection: Connection, account: Account) -> Balance | None:
    """The balance, and the wallet's row locked until the transaction ends."""
    row = await connection.fetchrow(_BALANCE + " FOR UPDATE", account.workspace_id, account.mode)
    return None if row is None else Balance(**dict(row))


async def lock_many(connection: Connection, accounts: Collection[Account]) -> None:
    places = [account.workspace_id for account in accounts], [account.mode for account in accounts]
    await connection.execute(_LOCK_MANY, *places)


async def post(connection: Connection, posting: Posting) -> Outcome | None:
    """Writes the transaction and moves the wallet, or neither. None when there is no such wallet."""
    details = posting.details
    row = await connection.fetchrow(
        _POST,
        posting.account.workspace_id,
        posting.account.mode,
        posting.id,
        posting.cause.type,
        posting.cause.id,
        posting.wallet_minor,
        [account for account, _ in posting.others],
        [amount for _, amount in posting.others],
        details.description,
        details.reference,
        details.call_id,
        details.number_id,
        details.topup_id,
        details.tax_basis_points,
        posting.at,
        posting.may_overdraw,
    )
    if row is None:
        return None
    return Outcome(row["available_minor"], None if row["balance_minor"] is None else change(row))


async def find(connection: Connection, cause: Cause) -> tuple[Account, EntryRef] | None:
    """The wallet entry of a cause, and whose it is."""
    row = await connection.fetchrow(_FIND, cause.type, cause.id)
    if row is None:
        return None
    entry = EntryRef(
        id=row["id"], amount_minor=row["amount_minor"], balance_after_minor=row["balance_after_minor"]
    )
    return Account(row["workspace_id"], row["mode"]), entry


async def entry_ids(connection: Connection, type_: EntryType, cause_ids: Sequence[str]) -> dict[str, UUID]:
    rows = await connection.fetch(_ENTRY_IDS, type_, cause_ids)
    return {row["cause_id"]: row["id"] for row in rows}


async def set_threshold(
    connection: Connection, account: Account, threshold_minor: int, at: datetime
) -> Change | None:
    row = await connection.fetchrow(_SET_THRESHOLD, account.workspace_id, account.mode, threshold_minor, at)
    return None if row is None else change(row)


def change(row: Record) -> Change:
    return Change(
        balance_minor=row["balance_minor"],
        held_minor=row["held_minor"],
        low_balance_threshold_minor=row["low_balance_threshold_minor"],
        fell_low=row["fell_low"],
    )
