"""SQL of holds. One statement each: the hold is locked, then its wallet, and both move together or not at all."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.ids import uuid7
from sautikitd.wallet.models import (
    Account,
    Bill,
    Cause,
    Details,
    EntryRef,
    EntryType,
    Hold,
    HoldState,
    LedgerAccount,
)
from sautikitd.wallet.money import Minor
from sautikitd.wallet.repository import Change, change

_FIND = "SELECT * FROM holds WHERE cause_kind = $1 AND cause_id = $2"

# A second caller with the same cause waits for the wallet, then finds the row in its way and takes nothing.
TAKE = """
WITH locked AS MATERIALIZED (
    SELECT balance_minor - held_minor AS available_minor FROM wallets WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
), taken AS (
    INSERT INTO holds (cause_kind, cause_id, workspace_id, mode, amount_minor, created_at, updated_at)
    SELECT $3, $4, $1, $2, $5::bigint, $6, $6 FROM locked WHERE available_minor >= $5::bigint
    ON CONFLICT (cause_kind, cause_id) DO NOTHING
    RETURNING amount_minor
), wallet AS (
    UPDATE wallets AS w SET held_minor = w.held_minor + taken.amount_minor, updated_at = $6
    FROM taken WHERE w.workspace_id = $1 AND w.mode = $2
)
SELECT available_minor, EXISTS (SELECT FROM taken) AS taken FROM locked
"""

# Several of one wallet, in their order, as far as it reaches; what is left out may still fit by itself.
TAKE_MANY = """
WITH locked AS MATERIALIZED (
    SELECT balance_minor - held_minor AS available_minor FROM wallets WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
), wanted AS (
    SELECT cause_id, amount_minor, sum(amount_minor) OVER (ORDER BY place) AS running_minor
    FROM unnest($4::text[], $5::bigint[]) WITH ORDINALITY AS one (cause_id, amount_minor, place)
), taken AS (
    INSERT INTO holds (cause_kind, cause_id, workspace_id, mode, amount_minor, created_at, updated_at)
    SELECT $3, cause_id, $1, $2, amount_minor, $6, $6 FROM wanted, locked WHERE running_minor <= available_minor
    ON CONFLICT (cause_kind, cause_id) DO NOTHING
    RETURNING cause_id, amount_minor
), total AS (
    SELECT sum(amount_minor)::bigint AS amount_minor FROM taken HAVING count(*) > 0
), wallet AS (
    UPDATE wallets AS w SET held_minor = w.held_minor + total.amount_minor, updated_at = $6
    FROM total WHERE w.workspace_id = $1 AND w.mode = $2
)
SELECT cause_id FROM taken
"""

# `target` is an expression over available_minor (the wallet's) and amount_minor (the hold's).
_RESIZE = """
WITH hold AS MATERIALIZED (
    SELECT * FROM holds WHERE cause_kind = $1 AND cause_id = $2 FOR UPDATE
), locked AS MATERIALIZED (
    SELECT hold.*, w.balance_minor - w.held_minor AS available_minor
    FROM hold JOIN wallets AS w ON w.workspace_id = hold.workspace_id AND w.mode = hold.mode
    WHERE hold.state = 'open' FOR UPDATE OF w
), target AS MATERIALIZED (
    SELECT *, {target} AS target_minor FROM locked
), wallet AS (
    UPDATE wallets AS w SET held_minor = w.held_minor + target_minor - amount_minor, updated_at = $4
    FROM target WHERE w.workspace_id = target.workspace_id AND w.mode = target.mode AND target_minor <> amount_minor
), resized AS (
    UPDATE holds AS h SET amount_minor = target_minor, updated_at = $4
    FROM target WHERE h.cause_kind = $1 AND h.cause_id = $2 AND target_minor <> target.amount_minor
)
SELECT cause_kind, cause_id, workspace_id, mode, state, target_minor AS amount_minor,
       available_minor + amount_minor AS reachable_minor
FROM target
"""

# All of $3 or, where the wallet cannot bear it, no change. Giving back is always possible.
_RESIZE_TO = _RESIZE.format(
    target="CASE WHEN $3 <= amount_minor OR $3 - amount_minor <= available_minor THEN $3::bigint ELSE amount_minor END"
)

# As many of $3 seconds at $5 a minute as the wallet can bear, never less than before (`affordable_seconds`, `hold_amount`).
_RESIZE_UP_TO = _RESIZE.format(
    target="""greatest(amount_minor,
        (least($3::bigint, (amount_minor + greatest(available_minor, 0)) * 60 / $5::bigint) * $5::bigint + 59) / 60)"""
)

# Pays $3 out of the hold and gives the rest back. The VAT rate in force is frozen on the transaction.
SETTLE = """
WITH hold AS MATERIALIZED (
    SELECT * FROM holds WHERE cause_kind = $1 AND cause_id = $2 FOR UPDATE
), locked AS MATERIALIZED (
    SELECT hold.workspace_id, hold.mode, hold.amount_minor, w.low_balance_armed
    FROM hold JOIN wallets AS w ON w.workspace_id = hold.workspace_id AND w.mode = hold.mode
    WHERE hold.state = 'open' AND hold.amount_minor >= $3::bigint FOR UPDATE OF w
), wallet AS (
    UPDATE wallets AS w
    SET held_minor = w.held_minor - locked.amount_minor, balance_minor = w.balance_minor - $3::bigint,
        entry_count = w.entry_count + ($3::bigint > 0)::int, updated_at = $4,
        low_balance_armed = w.balance_minor - $3::bigint >= w.low_balance_threshold_minor
    FROM locked WHERE w.workspace_id = locked.workspace_id AND w.mode = locked.mode
    RETURNING w.*, locked.low_balance_armed AND NOT w.low_balance_armed AS fell_low
), closed AS (
    UPDATE holds AS h
    SET state = CASE WHEN $3::bigint > 0 THEN 'settled' ELSE 'released' END, closed_at = $4, updated_at = $4
    FROM wallet WHERE h.cause_kind = $1 AND h.cause_id = $2
), posted AS (
    INSERT INTO ledger_transactions (id, workspace_id, mode, cause_kind, cause_id, entry_count, description, reference,
                                     call_id, number_id, topup_id, tax_basis_points, created_at)
    SELECT $5, workspace_id, mode, $1, $2, 2, $7, $8, $9, $10, $11,
           (SELECT basis_points FROM taxes WHERE name = 'VAT' AND effective_from <= $4 ORDER BY effective_from DESC LIMIT 1), $4
    FROM wallet WHERE $3::bigint > 0
), entries AS (
    INSERT INTO ledger_entries (transaction_id, line, account, amount_minor, workspace_id, mode, sequence, balance_after_minor)
    SELECT $5::uuid, 0, 'wallet', -$3::bigint, workspace_id, mode, entry_count, balance_minor FROM wallet WHERE $3::bigint > 0
    UNION ALL
    SELECT $5::uuid, 1, $6::text, $3::bigint, NULL, NULL, NULL, NULL FROM wallet WHERE $3::bigint > 0
)
SELECT hold.cause_kind, hold.cause_id, hold.workspace_id, hold.mode, hold.state, hold.amount_minor,
       wallet.balance_minor, wallet.held_minor, wallet.low_balance_threshold_minor, wallet.fell_low
FROM hold LEFT JOIN wallet ON true
"""

# Several of one wallet at once, in their order; one whose hold is closed or too small is left alone, and no row of it comes.
# Each hold is looked up by its key: a join is planned while there are none, and would read all there are by then.
SETTLE_MANY = """
WITH hold AS MATERIALIZED (
    SELECT one.*, h.*
    FROM unnest($4::text[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::uuid[], $10::uuid[], $11::uuid[])
        WITH ORDINALITY
      AS one (cause_id, cost_minor, transaction_id, description, reference, call_id, number_id, topup_id, place)
    CROSS JOIN LATERAL (
        SELECT amount_minor, state FROM holds
        WHERE cause_kind = $3 AND cause_id = one.cause_id AND workspace_id = $1 AND mode = $2 FOR UPDATE) AS h
), locked AS MATERIALIZED (
    SELECT low_balance_armed FROM wallets WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
), due AS MATERIALIZED (
    SELECT hold.*, locked.low_balance_armed, sum(cost_minor) OVER (ORDER BY place) AS running_minor,
           count(*) FILTER (WHERE cost_minor > 0) OVER (ORDER BY place) AS nth
    FROM hold, locked WHERE state = 'open' AND amount_minor >= cost_minor
), total AS (
    SELECT sum(amount_minor)::bigint AS held_minor, sum(cost_minor)::bigint AS cost_minor, max(nth) AS entries,
           bool_and(low_balance_armed) AS was_armed
    FROM due HAVING count(*) > 0
), wallet AS (
    UPDATE wallets AS w
    SET held_minor = w.held_minor - total.held_minor, balance_minor = w.balance_minor - total.cost_minor,
        entry_count = w.entry_count + total.entries, updated_at = $12,
        low_balance_armed = w.balance_minor - total.cost_minor >= w.low_balance_threshold_minor
    FROM total WHERE w.workspace_id = $1 AND w.mode = $2
    RETURNING w.*, total.was_armed AND NOT w.low_balance_armed AS fell_low,
              w.entry_count - total.entries AS entries_before, w.balance_minor + total.cost_minor AS balance_before_minor
), closed AS (
    UPDATE holds AS h
    SET state = CASE WHEN cause_id = ANY (ARRAY(SELECT cause_id FROM due WHERE cost_minor > 0))
                     THEN 'settled' ELSE 'released' END, closed_at = $12, updated_at = $12
    WHERE cause_kind = $3 AND cause_id = ANY (ARRAY(SELECT cause_id FROM due))
), posted AS (
    INSERT INTO ledger_transactions (id, workspace_id, mode, cause_kind, cause_id, entry_count, description, reference,
                                     call_id, number_id, topup_id, tax_basis_points, created_at)
    SELECT transaction_id, $1, $2, $3, cause_id, 2, description, reference, call_id, number_id, topup_id,
           (SELECT basis_points FROM taxes WHERE name = 'VAT' AND effective_from <= $12 ORDER BY effective_from DESC LIMIT 1), $12
    FROM due WHERE cost_minor > 0
), entries AS (
    INSERT INTO ledger_entries (transaction_id, line, account, amount_minor, workspace_id, mode, sequence, balance_after_minor)
    SELECT transaction_id, 0, 'wallet', -cost_minor, $1, $2, entries_before + nth, balance_before_minor - running_minor
    FROM due, wallet WHERE cost_minor > 0
    UNION ALL
    SELECT transaction_id, 1, $13::text, cost_minor, NULL, NULL, NULL, NULL FROM due WHERE cost_minor > 0
)
SELECT due.cause_id, due.transaction_id, due.cost_minor, balance_before_minor - running_minor AS balance_after_minor,
       wallet.balance_minor, wallet.held_minor, wallet.low_balance_threshold_minor, wallet.fell_low
FROM due, wallet ORDER BY place
"""


class Resized(msgspec.Struct, frozen=True):
    """The hold as it is now, and how large it could have become at most."""

    hold: Hold
    reachable_minor: int


class Settled(msgspec.Struct, frozen=True):
    """The hold as it was found; `change` is None when it was left alone: closed already, or smaller than the cost."""

    found: Hold
    change: Change | None


async def find(connection: Connection, cause: Cause) -> Hold | None:
    row = await connection.fetchrow(_FIND, cause.type, cause.id)
    return None if row is None else _hold(cause, row)


async def take(
    connection: Connection, account: Account, cause: Cause, amount_minor: int, at: datetime
) -> tuple[int, bool] | None:
    """What was available, and whether the hold was made of it. None when there is no such wallet."""
    row = await connection.fetchrow(
        TAKE, account.workspace_id, account.mode, cause.type, cause.id, amount_minor, at
    )
    return None if row is None else (row["available_minor"], row["taken"])


async def take_many(
    connection: Connection,
    account: Account,
    type_: EntryType,
    wishes: Sequence[tuple[str, int]],
    at: datetime,
) -> set[str]:
    """`wishes`: cause ids, each once, and amounts. Returns the causes that have a hold now and had none before."""
    causes, amounts = [cause for cause, _ in wishes], [amount for _, amount in wishes]
    rows = await connection.fetch(TAKE_MANY, account.workspace_id, account.mode, type_, causes, amounts, at)
    return {row["cause_id"] for row in rows}


async def resize_to(connection: Connection, cause: Cause, amount_minor: int, at: datetime) -> Resized | None:
    """None when no hold is open for the cause."""
    return _resized(cause, await connection.fetchrow(_RESIZE_TO, cause.type, cause.id, amount_minor, at))


async def resize_up_to(
    connection: Connection, cause: Cause, seconds: int, rate_per_minute: int, at: datetime
) -> Resized | None:
    """None when no hold is open for the cause."""
    return _resized(
        cause,
        await connection.fetchrow(_RESIZE_UP_TO, cause.type, cause.id, seconds, at, rate_per_minute),
    )


async def settle(
    connection: Connection,
    cause: Cause,
    cost_minor: int,
    at: datetime,
    *,
    transaction_id: UUID,
    earned_by: LedgerAccount,
    details: Details,
) -> Settled | None:
    """None when there never was a hold for the cause."""
    row = await connection.fetchrow(
        SETTLE,
        cause.type,
        cause.id,
        cost_minor,
        at,
        transaction_id,
        earned_by,
        details.description,
        details.reference,
        details.call_id,
        details.number_id,
        details.topup_id,
    )
    if row is None:
        return None
    return Settled(_hold(cause, row), None if row["balance_minor"] is None else change(row))


async def settle_many(
    connection: Connection,
    account: Account,
    type_: EntryType,
    bills: Sequence[Bill],
    at: datetime,
    *,
    earned_by: LedgerAccount,
) -> tuple[dict[str, EntryRef | None], Change | None]:
    """What was settled now, by cause id, with its entry if it cost anything; and the wallet after all of it. `bills` are of
    different causes, whose holds are locked in their order."""
    details = [bill.details for bill in bills]
    rows = await connection.fetch(
        SETTLE_MANY,
        account.workspace_id,
        account.mode,
        type_,
        [bill.cause_id for bill in bills],
        [bill.cost_minor for bill in bills],
        [uuid7() for _ in bills],
        [one.description for one in details],
        [one.reference for one in details],
        [one.call_id for one in details],
        [one.number_id for one in details],
        [one.topup_id for one in details],
        at,
        earned_by,
    )
    return {row["cause_id"]: _entry(row) for row in rows}, change(rows[0]) if rows else None


def _entry(row: Record) -> EntryRef | None:
    if row["cost_minor"] == 0:
        return None
    return EntryRef(
        id=row["transaction_id"],
        amount_minor=Minor(-row["cost_minor"]),
        balance_after_minor=row["balance_after_minor"],
    )


def _resized(cause: Cause, row: Record | None) -> Resized | None:
    return None if row is None else Resized(_hold(cause, row), row["reachable_minor"])


def _hold(cause: Cause, row: Record) -> Hold:
    return Hold(
        cause=cause,
        account=Account(row["workspace_id"], row["mode"]),
        amount_minor=row["amount_minor"],
        state=HoldState(row["state"]),
    )
