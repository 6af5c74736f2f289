"""The daily report: what M-Pesa says came in, held against where the books have it (`mpesa.md` §9.7)."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments.rules import RULES
from sautikitd.payments.silence import SILENT_AFTER, without_callback
from sautikitd.wallet.audit import Rule


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
    problems = [problem for rule in RULES for problem in await _breaches(connection, rule, mode)]
    return DailyReport(day=day.isoformat(), mode=mode, problems=problems, **figures)


async def _breaches(connection: Connection, rule: Rule, mode: Mode) -> list[str]:
    """All of them: receipts, top-ups and cases whose money the books do not have where it is said to be."""
    rows = await connection.fetch(f"SELECT row, problem FROM ({rule.query}) AS breach WHERE mode = $1", mode)
    return [f"{rule.table} {row['row']}: {row['problem']}" for row in rows]


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
