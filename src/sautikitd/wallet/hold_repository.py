"""SQL of holds. One statement each: holds are locked, then their wallets, and all move together or not at all."""

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
    Wish,
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

# Several, of several wallets, those of each in their order as far as it reaches; what is left out may still fit by itself.
TAKE_MANY = """
WITH wanted AS MATERIALIZED (
    SELECT *, sum(amount_minor) OVER (PARTITION BY workspace_id, mode ORDER BY place) AS running_minor
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[])
        WITH ORDINALITY AS one (workspace_id, mode, cause_id, amount_minor, place)
), locked AS MATERIALIZED (
    SELECT one.*, w.available_minor
    FROM (SELECT DISTINCT workspace_id, mode FROM wanted ORDER BY workspace_id, mode) AS one
    CROSS JOIN LATERAL (
        SELECT balance_minor - held_minor AS available_minor FROM wallets
        WHERE workspace_id = one.workspace_id AND mode = one.mode FOR UPDATE) AS w
), taken AS (
    INSERT INTO holds (cause_kind, cause_id, workspace_id, mode, amount_minor, created_at, updated_at)
    SELECT $1, cause_id, workspace_id, mode, amount_minor, $6, $6
    FROM wanted JOIN locked USING (workspace_id, mode) WHERE running_minor <= available_minor
    ON CONFLICT (cause_kind, cause_id) DO NOTHING
    RETURNING workspace_id, mode, cause_id, amount_minor
), total AS (
    SELECT workspace_id, mode, sum(amount_minor)::bigint AS amount_minor FROM taken GROUP BY workspace_id, mode
), wallet AS (
    UPDATE wallets AS w SET held_minor = w.held_minor + total.amount_minor, updated_at = $6
    FROM total WHERE w.workspace_id = total.workspace_id AND w.mode = total.mode
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

# Several at once, those of each wallet in their order; one whose hold is closed or too small is left alone, and no row of it
# comes. Rows are looked up by their keys: a join is planned while there are few, and would read all there are by then.
SETTLE_MANY = """
WITH hold AS MATERIALIZED (
    SELECT one.*, h.*
    FROM (SELECT * FROM unnest($2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], $8::uuid[], $9::uuid[])
              WITH ORDINALITY
            AS bill (cause_id, cost_minor, transaction_id, description, reference, call_id, number_id, topup_id, place)
          ORDER BY cause_id) AS one
    CROSS JOIN LATERAL (
        SELECT workspace_id, mode, amount_minor, state FROM holds
        WHERE cause_kind = $1 AND cause_id = one.cause_id FOR UPDATE) AS h
), locked AS MATERIALIZED (
    SELECT one.*, w.low_balance_armed
    FROM (SELECT DISTINCT workspace_id, mode FROM hold WHERE state = 'open' ORDER BY workspace_id, mode) AS one
    CROSS JOIN LATERAL (
        SELECT low_balance_armed FROM wallets WHERE workspace_id = one.workspace_id AND mode = one.mode FOR UPDATE) AS w
), due AS MATERIALIZED (
    SELECT *, sum(cost_minor) OVER running AS running_minor, count(*) FILTER (WHERE cost_minor > 0) OVER running AS nth
    FROM hold WHERE state = 'open' AND amount_minor >= cost_minor
    WINDOW running AS (PARTITION BY workspace_id, mode ORDER BY place)
), total AS (
    SELECT workspace_id, mode, sum(amount_minor)::bigint AS held_minor, sum(cost_minor)::bigint AS cost_minor,
           max(nth) AS entries
    FROM due GROUP BY workspace_id, mode
), wallet AS (
    UPDATE wallets AS w
    SET held_minor = w.held_minor - total.held_minor, balance_minor = w.balance_minor - total.cost_minor,
        entry_count = w.entry_count + total.entries, updated_at = $10,
        low_balance_armed = w.balance_minor - total.cost_minor >= w.low_balance_threshold_minor
    FROM total JOIN locked USING (workspace_id, mode) WHERE w.workspace_id = total.workspace_id AND w.mode = total.mode
    RETURNING w.*, locked.low_balance_armed AND NOT w.low_balance_armed AS fell_low,
              w.entry_count - total.entries AS entries_before, w.balance_minor + total.cost_minor AS balance_before_minor
), closed AS (
    UPDATE holds AS h
    SET state = CASE WHEN cause_id = ANY (ARRAY(SELECT cause_id FROM due WHERE cost_minor > 0))
                     THEN 'settled' ELSE 'released' END, closed_at = $10, updated_at = $10
    WHERE cause_kind = $1 AND cause_id = ANY (ARRAY(SELECT cause_id FROM due))
), posted AS (
    INSERT INTO ledger_transactions (id, workspace_id, mode, cause_kind, cause_id, entry_count, description, reference,
                                     call_id, number_id, topup_id, tax_basis_points, created_at)
    SELECT transaction_id, workspace_id, mode, $1, cause_id, 2, description, reference, call_id, number_id, topup_id,
           (SELECT basis_points FROM taxes WHERE name = 'VAT' AND effective_from <= $10 ORDER BY effective_from DESC LIMIT 1), $10
    FROM due WHERE cost_minor > 0
), entries AS (
    INSERT INTO ledger_entries (transaction_id, line, account, amount_minor, workspace_id, mode, sequence, balance_after_minor)
    SELECT transaction_id, 0, 'wallet', -cost_minor, workspace_id, mode, entries_before + nth,
           balance_before_minor - running_minor
    FROM due JOIN wallet USING (workspace_id, mode) WHERE cost_minor > 0
    UNION ALL
    SELECT transaction_id, 1, $11::text, cost_minor, NULL, NULL, NULL, NULL FROM due WHERE cost_minor > 0
)
SELECT workspace_id, mode, due.cause_id, due.transaction_id, due.cost_minor,
       balance_before_minor - running_minor AS balance_after_minor,
       wallet.balance_minor, wallet.held_minor, wallet.low_balance_threshold_minor, wallet.fell_low
FROM due JOIN wallet USING (workspace_id, mode) ORDER BY place
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
    connection: Connection, type_: EntryType, wishes: Sequence[Wish], at: datetime
) -> set[str]:
    """Returns the causes that have a hold now and had none before. Each comes once."""
    rows = await connection.fetch(
        TAKE_MANY,
        type_,
        [wish.account.workspace_id for wish in wishes],
        [wish.account.mode for wish in wishes],
        [wish.cause_id for wish in wishes],
        [wish.amount_minor for wish in wishes],
        at,
    )
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
    connection: Connection, type_: EntryType, bills: Sequence[Bill], at: datetime, *, earned_by: LedgerAccount
) -> tuple[dict[str, EntryRef | None], dict[Account, Change]]:
    """What was settled now, by cause id, with its entry if it cost anything; and the wallets after all of it. `bills` are of
    different causes."""
    details = [bill.details for bill in bills]
    rows = await connection.fetch(
        SETTLE_MANY,
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
    changes = {Account(row["workspace_id"], row["mode"]): change(row) for row in rows}
    return {row["cause_id"]: _entry(row) for row in rows}, changes


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
