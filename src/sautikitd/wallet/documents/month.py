"""What a monthly statement and a receipt say, read from the ledger. Months are Nairobi's."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.database.pool import Connection
from sautikitd.wallet.models import Account
from sautikitd.wallet.money import Minor
from sautikitd.wallet.prices import last_day_of_month, vat_included


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line: an entry, or all the calls of a day together."""

    day: date
    text: str
    reference: str
    amount_minor: Minor


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    """VAT of one kind of charge at one rate: `net_minor` + `vat_minor` is what was charged, less what came back."""

    charge: str
    basis_points: int
    net_minor: Minor
    vat_minor: Minor


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The customer on a document."""

    name: str
    account_ref: str


class MonthlyStatement(msgspec.Struct, frozen=True, kw_only=True):
    """`provisional`: the month is not over. opening + the sum of items = closing."""

    number: str
    customer: Party
    mode: str
    first_day: date
    last_day: date
    provisional: bool
    opening_minor: Minor
    closing_minor: Minor
    items: Sequence[Item]
    taxes: Sequence[Tax]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    customer: Party
    mode: str
    amount_minor: Minor
    reference: str
    description: str
    paid_at: datetime


async def monthly_statement(
    connection: Connection, account: Account, first_day: date, now: datetime
) -> MonthlyStatement | None:
    """None for a month that has not begun, or was over before the workspace was."""
    start = datetime.combine(first_day, datetime.min.time(), NAIROBI)
    last_day = last_day_of_month(first_day)
    end = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), NAIROBI)
    customer = await connection.fetchrow(_CUSTOMER, account.workspace_id)
    if start > now or customer is None or customer["created_at"] >= end:
        return None
    window = (account.workspace_id, account.mode, start, end)
    opening = await connection.fetchval(_OPENING, *window[:3])
    items = [Item(**dict(row)) for row in await connection.fetch(_ITEMS, *window)]
    reference = customer["mpesa_account_ref"]
    test = "TEST-" if account.mode == "test" else ""
    return MonthlyStatement(
        number=f"{test}ST-{reference}-{first_day:%Y%m}",
        customer=Party(name=customer["name"], account_ref=reference),
        mode=account.mode,
        first_day=first_day,
        last_day=last_day,
        provisional=now < end,
        opening_minor=Minor(opening),
        closing_minor=Minor(opening + sum(item.amount_minor for item in items)),
        items=items,
        taxes=await _taxes(connection, window),
    )


async def receipt(connection: Connection, account: Account, topup_id: UUID) -> Receipt | None:
    """None while the top-up has brought no money, or where it is not this wallet's."""
    row = await connection.fetchrow(_RECEIPT, account.workspace_id, account.mode, topup_id)
    if row is None:
        return None
    test = "TEST-" if account.mode == "test" else ""
    return Receipt(
        number=f"{test}RC-{row['mpesa_account_ref']}-{row['sequence']:06}",
        customer=Party(name=row["name"], account_ref=row["mpesa_account_ref"]),
        mode=account.mode,
        amount_minor=row["amount_minor"],
        reference=row["reference"],
        description=row["description"],
        paid_at=row["created_at"],
    )


async def _taxes(connection: Connection, window: tuple[object, ...]) -> list[Tax]:
    """Rentals: as charged, each on its own. Calls: inside the price, once on the month's total (§12)."""
    taxes = []
    for row in await connection.fetch(_TAXES, *window):
        basis_points, total, vat = row["basis_points"], row["total_minor"], row["vat_minor"]
        if row["charge"] == "Calls":
            vat = vat_included(max(total, 0), basis_points)
        taxes.append(
            Tax(
                charge=row["charge"],
                basis_points=basis_points,
                net_minor=Minor(total - vat),
                vat_minor=Minor(vat),
            )
        )
    return taxes


_CUSTOMER = "SELECT name, mpesa_account_ref, created_at FROM workspaces WHERE id = $1"

_OPENING = """
SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM ledger_transactions t
JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
WHERE t.workspace_id = $1 AND t.mode = $2 AND t.created_at < $3
"""

# The calls of a day are one line: a month of them has no bound. Everything else stands by itself.
_ITEMS = """
WITH entry AS (
    SELECT t.*, e.amount_minor, e.sequence, (t.created_at AT TIME ZONE 'Africa/Nairobi')::date AS day
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
    WHERE t.workspace_id = $1 AND t.mode = $2 AND t.created_at >= $3 AND t.created_at < $4
), shown AS (
    SELECT day, description AS text, reference, amount_minor, sequence FROM entry WHERE cause_kind <> 'call'
    UNION ALL
    SELECT day, to_char(count(*), 'FM999,999,999') || CASE count(*) WHEN 1 THEN ' call' ELSE ' calls' END, '',
           sum(amount_minor)::bigint, max(sequence) FROM entry
    WHERE cause_kind = 'call' GROUP BY day
)
SELECT day, text, reference, amount_minor FROM shown ORDER BY day, sequence
"""

_TAXES = """
SELECT CASE cause_kind WHEN 'call' THEN 'Calls' ELSE 'Number rentals' END AS charge,
       coalesce(tax_basis_points, 0) AS basis_points, -sum(e.amount_minor)::bigint AS total_minor,
       coalesce(sum(v.amount_minor), 0)::bigint AS vat_minor
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
LEFT JOIN ledger_entries v ON v.transaction_id = t.id AND v.account = 'vat_payable'
WHERE t.workspace_id = $1 AND t.mode = $2 AND t.created_at >= $3 AND t.created_at < $4
  AND cause_kind IN ('call', 'rental', 'refund')
GROUP BY 1, 2 ORDER BY 1, 2
"""

_RECEIPT = """
SELECT w.name, w.mpesa_account_ref, t.description, t.reference, t.created_at, e.amount_minor, e.sequence
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
JOIN workspaces w ON w.id = t.workspace_id
WHERE t.workspace_id = $1 AND t.mode = $2 AND t.topup_id = $3 AND t.cause_kind = 'top_up'
ORDER BY t.created_at LIMIT 1
"""
