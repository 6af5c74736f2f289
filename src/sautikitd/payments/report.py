"""The daily report: what M-Pesa says came in, held against where the books have it (`mpesa.md` §9.7)."""

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments.silence import SILENT_AFTER, without_callback


class DailyReport(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one mode, Nairobi time, by when the money was heard of. Money in KES cents.

    `cleared_minor` is what the ledger took in over the same day; it differs from `received_minor` by money
    credited on a query's word whose receipt came on another day, or is `without_receipt` still.
    """

    day: str
    mode: Mode
    receipts: int
    received_minor: int
    told_by_stk: int
    told_by_c2b: int
    told_by_pull: int
    told_by_pull_alone: int  # callbacks that never came
    in_wallets_minor: int
    in_suspense_minor: int
    sent_back_minor: int
    disputed: int
    cleared_minor: int
    topups_succeeded: int
    topups_failed: int
    pushes_without_callback: int  # of the day, five minutes and more after they were sent
    without_receipt: list[UUID]
    pending_a_day: list[UUID]
    problems: list[str]


async def daily_report(connection: Connection, mode: Mode, day: date, now: datetime) -> DailyReport:
    """`now` bounds the pushes that a callback may still come for."""
    start = datetime.combine(day, time(), NAIROBI)
    window = (mode, start, start + timedelta(days=1))
    figures = dict(await connection.fetchrow(_FIGURES, *window))
    figures |= dict(await connection.fetchrow(_CLEARED, *window))
    figures |= dict(await connection.fetchrow(_TOPUPS, *window))
    silent_before = min(start + timedelta(days=1), now - SILENT_AFTER)
    figures["pushes_without_callback"] = await without_callback(connection, mode, start, silent_before)
    problems = [row["problem"] for row in await connection.fetch(_PROBLEMS, mode)]
    return DailyReport(day=day.isoformat(), mode=mode, problems=problems, **figures)


async def problems(connection: Connection, mode: Mode) -> list[dict[str, Any]]:
    """Every receipt, top-up or case whose money the books do not have where it is said to be; empty when all is right."""
    return [dict(row) for row in await connection.fetch(_PROBLEMS, mode)]


_FIGURES = """
SELECT count(*) AS receipts, coalesce(sum(amount_minor), 0)::bigint AS received_minor,
       count(stk_at) AS told_by_stk, count(c2b_at) AS told_by_c2b, count(pull_at) AS told_by_pull,
       count(*) FILTER (WHERE stk_at IS NULL AND c2b_at IS NULL) AS told_by_pull_alone,
       coalesce(sum(amount_minor) FILTER (WHERE place = 'wallet'), 0)::bigint AS in_wallets_minor,
       coalesce(sum(amount_minor) FILTER (WHERE place = 'suspense'), 0)::bigint AS in_suspense_minor,
       coalesce(sum(amount_minor) FILTER (WHERE place = 'reversed'), 0)::bigint AS sent_back_minor,
       count(disputed_minor) AS disputed
FROM mpesa_receipts WHERE mode = $1 AND created_at >= $2 AND created_at < $3
"""

_CLEARED = """
SELECT coalesce(-sum(e.amount_minor), 0)::bigint AS cleared_minor
FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
WHERE e.account = 'mpesa_clearing' AND t.mode = $1 AND t.created_at >= $2 AND t.created_at < $3
"""

_TOPUPS = """
SELECT count(*) FILTER (WHERE status = 'succeeded') AS topups_succeeded,
       count(*) FILTER (WHERE status = 'failed') AS topups_failed,
       coalesce(array_agg(id) FILTER (WHERE status = 'succeeded' AND receipt IS NULL), '{}') AS without_receipt,
       coalesce(array_agg(id) FILTER (WHERE status = 'pending' AND created_at < $3::timestamptz - interval '1 day'), '{}')
           AS pending_a_day
FROM topups WHERE mode = $1 AND (completed_at >= $2 AND completed_at < $3 OR status = 'pending')
"""

# Each receipt's money against the ledger, whole: the wallet entry or the suspense account that has it.
_PROBLEMS = """
WITH parked AS (
    SELECT c.mode, c.receipt, sum(e.amount_minor) AS amount_minor
    FROM suspense_cases c
    JOIN ledger_transactions t ON t.cause_kind = 'suspense'
     AND t.cause_id IN (c.id::text, c.id::text || '/matched', c.id::text || '/reversed')
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'mpesa_clearing'
    GROUP BY c.mode, c.receipt
), credited AS (
    SELECT t.mode, r.receipt, sum(e.amount_minor) AS amount_minor
    FROM mpesa_receipts r
    JOIN ledger_transactions t ON t.cause_kind = 'top_up' AND t.mode = r.mode
     AND t.cause_id IN (r.topup_id::text, 'mpesa/' || r.mode || '/' || r.receipt)
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'mpesa_clearing'
    WHERE r.place = 'wallet'
    GROUP BY t.mode, r.receipt
)
SELECT format('receipt %s: %s in the books, %s received', r.receipt,
              -coalesce(p.amount_minor, 0) - coalesce(c.amount_minor, 0),
              CASE r.place WHEN 'reversed' THEN 0 ELSE r.amount_minor END) AS problem
FROM mpesa_receipts r
LEFT JOIN parked p ON (p.mode, p.receipt) = (r.mode, r.receipt)
LEFT JOIN credited c ON (c.mode, c.receipt) = (r.mode, r.receipt)
WHERE r.mode = $1 AND -coalesce(p.amount_minor, 0) - coalesce(c.amount_minor, 0)
      <> CASE r.place WHEN 'reversed' THEN 0 ELSE r.amount_minor END
UNION ALL
SELECT format('receipt %s is in suspense, and its case is %s', r.receipt, coalesce(s.state, 'missing'))
FROM mpesa_receipts r LEFT JOIN suspense_cases s ON (s.mode, s.receipt) = (r.mode, r.receipt)
WHERE r.mode = $1 AND r.place = 'suspense' AND s.state IS DISTINCT FROM 'open'
UNION ALL
SELECT format('top-up %s is %s, and the books credit it with %s', u.id, u.status, coalesce(e.amount_minor, 0))
FROM topups u
LEFT JOIN ledger_transactions t ON t.cause_kind = 'top_up' AND t.cause_id = CASE u.channel
    WHEN 'stk' THEN u.id::text ELSE 'mpesa/' || u.mode || '/' || u.receipt END
LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
WHERE u.mode = $1
  AND coalesce(e.amount_minor, 0) <> CASE u.status WHEN 'succeeded' THEN u.amount_minor ELSE 0 END
UNION ALL
SELECT format('suspense account holds %s, open cases add up to %s', books.held, cases.held)
FROM (SELECT coalesce(sum(e.amount_minor), 0) AS held FROM ledger_entries e
      JOIN ledger_transactions t ON t.id = e.transaction_id WHERE e.account = 'suspense' AND t.mode = $1) AS books,
     (SELECT coalesce(sum(amount_minor), 0) AS held FROM suspense_cases WHERE mode = $1 AND state = 'open') AS cases
WHERE books.held <> cases.held
"""
