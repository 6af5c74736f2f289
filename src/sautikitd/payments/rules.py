"""Rules of the audit about M-PESA: every shilling received is in exactly one place, and is in the books where it is said to be.

The queries also return the `mode` of each breach, for the daily report.
"""

from collections.abc import Sequence

from sautikitd.wallet.audit import Rule

RULES: Sequence[Rule] = (
    Rule(
        "a receipt's money is in the books whole, in the place it is said to be",
        "mpesa_receipts",
        """WITH parked AS (
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
           SELECT r.mode, r.receipt AS row,
                  format('%s in the books, %s received, and it is said to be in: %s',
                         -coalesce(p.amount_minor, 0) - coalesce(c.amount_minor, 0), r.amount_minor, r.place) AS problem
           FROM mpesa_receipts r
           LEFT JOIN parked p ON (p.mode, p.receipt) = (r.mode, r.receipt)
           LEFT JOIN credited c ON (c.mode, c.receipt) = (r.mode, r.receipt)
           WHERE -coalesce(p.amount_minor, 0) - coalesce(c.amount_minor, 0)
                 <> CASE r.place WHEN 'reversed' THEN 0 ELSE r.amount_minor END
           ORDER BY r.created_at, r.receipt""",
    ),
    Rule(
        "a receipt in suspense has an open case, and no other has one but for a difference",
        "mpesa_receipts",
        """SELECT r.mode, r.receipt AS row,
                  format('it is in: %s, and its case is %s', r.place, coalesce(s.state, 'missing')) AS problem
           FROM mpesa_receipts r LEFT JOIN suspense_cases s ON (s.mode, s.receipt) = (r.mode, r.receipt)
           WHERE (r.place = 'suspense') <> coalesce(s.state = 'open' AND s.reason <> 'difference', false)
           ORDER BY r.created_at, r.receipt""",
    ),
    Rule(
        "a suspense case says what was put into suspense for it, and has its receipt",
        "suspense_cases",
        """SELECT s.mode, s.id::text AS row,
                  CASE WHEN r.receipt IS NULL THEN format('its receipt %s is not there', s.receipt)
                       ELSE format('it says %s, and %s was put into suspense', s.amount_minor, coalesce(e.amount_minor, 0))
                       END AS problem
           FROM suspense_cases s
           LEFT JOIN mpesa_receipts r ON (r.mode, r.receipt) = (s.mode, s.receipt)
           LEFT JOIN ledger_transactions t ON t.cause_kind = 'suspense' AND t.cause_id = s.id::text
           LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'suspense'
           WHERE r.receipt IS NULL OR s.amount_minor <> coalesce(e.amount_minor, 0)
           ORDER BY s.id""",
    ),
    Rule(
        "what is put into suspense has its case",
        "ledger_transactions",
        """SELECT t.mode, t.id::text AS row, format('there is no case %s', split_part(t.cause_id, '/', 1)) AS problem
           FROM ledger_transactions t
           LEFT JOIN suspense_cases s ON s.id::text = split_part(t.cause_id, '/', 1)
           WHERE t.cause_kind = 'suspense' AND s.id IS NULL
           ORDER BY t.id""",
    ),
    Rule(
        "a top-up is credited with its amount once it has succeeded, and has its receipt",
        "topups",
        """SELECT u.mode, u.id::text AS row,
                  CASE WHEN u.receipt IS NOT NULL AND r.receipt IS NULL THEN format('its receipt %s is not there', u.receipt)
                       ELSE format('it is %s, for %s, and the books credit it with %s', u.status, u.amount_minor,
                                   coalesce(e.amount_minor, 0)) END AS problem
           FROM topups u
           LEFT JOIN mpesa_receipts r ON (r.mode, r.receipt) = (u.mode, u.receipt)
           LEFT JOIN ledger_transactions t ON t.cause_kind = 'top_up' AND t.cause_id = CASE u.channel
               WHEN 'stk' THEN u.id::text ELSE 'mpesa/' || u.mode || '/' || u.receipt END
           LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
           WHERE u.receipt IS NOT NULL AND r.receipt IS NULL
              OR coalesce(e.amount_minor, 0) <> CASE u.status WHEN 'succeeded' THEN u.amount_minor ELSE 0 END
           ORDER BY u.id""",
    ),
    Rule(
        "no wallet is credited with a payment that nobody made",
        "ledger_transactions",
        """SELECT t.mode, t.id::text AS row, format('there is no top-up and no receipt of %s', t.cause_id) AS problem
           FROM ledger_transactions t
           LEFT JOIN topups u ON u.channel = 'stk' AND u.id::text = t.cause_id
           LEFT JOIN mpesa_receipts r ON t.cause_id = 'mpesa/' || r.mode || '/' || r.receipt
           WHERE t.cause_kind = 'top_up' AND u.id IS NULL AND r.receipt IS NULL
           ORDER BY t.id""",
    ),
    Rule(
        "the suspense account holds what its open cases add up to",
        "suspense_cases",
        """SELECT books.mode, 'all open cases of ' || books.mode || ' mode' AS row,
                  format('they add up to %s, and the account holds %s', cases.held, books.held) AS problem
           FROM (SELECT mode, coalesce(sum(amount_minor), 0) AS held
                 FROM (VALUES ('live'), ('test')) AS each (mode)
                 LEFT JOIN suspense_cases USING (mode) WHERE state IS NULL OR state = 'open' GROUP BY mode) AS cases
           RIGHT JOIN (SELECT each.mode, coalesce(sum(e.amount_minor), 0) AS held
                 FROM (VALUES ('live'), ('test')) AS each (mode)
                 LEFT JOIN ledger_transactions t USING (mode)
                 LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'suspense'
                 GROUP BY each.mode) AS books USING (mode)
           WHERE books.held <> coalesce(cases.held, 0)
           ORDER BY books.mode""",
    ),
)
