"""The ledger audit: proves the books and names the first row that is wrong.

Each rule is one query that returns the rows breaking it, the oldest first.
"""

from collections.abc import Sequence

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.wallet.seals import BrokenSeal, NotedSeal, first_broken, noted_difference, seal_numbered


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that does not hold: `row` names the first row that breaks it, `broken` counts them all."""

    rule: str
    table: str
    row: str
    problem: str
    broken: int


class Rule(msgspec.Struct, frozen=True):
    """`query` returns `row` and `problem` of every breach, sorted so that the first is the one to look at."""

    name: str
    table: str
    query: str


_CHAIN = """
    SELECT workspace_id, mode, sequence, transaction_id, amount_minor, balance_after_minor,
           row_number() OVER w AS expected_sequence,
           sum(amount_minor) OVER w AS expected_balance,
           coalesce(lag(balance_after_minor) OVER w, 0) AS balance_before
    FROM ledger_entries WHERE account = 'wallet'
    WINDOW w AS (PARTITION BY workspace_id, mode ORDER BY sequence, transaction_id)
"""

_WALLET_NAME = "format('%s %s', w.workspace_id, w.mode)"

SEALS = "what was sealed is as it was, and the seals are an unbroken chain"
"""The one rule that is no query, and tells its first breach only: the seals after that one say nothing any more."""

RULES: Sequence[Rule] = (
    Rule(
        "every transaction adds up to zero and has the entries it announced",
        "ledger_transactions",
        """SELECT t.id::text AS row,
                  format('%s of %s entries adding up to %s', count(e.line), t.entry_count,
                         coalesce(sum(e.amount_minor), 0)) AS problem
           FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
           GROUP BY t.id HAVING count(e.line) <> t.entry_count OR count(e.line) < 2 OR coalesce(sum(e.amount_minor), 0) <> 0
           ORDER BY t.id""",
    ),
    Rule(
        "every entry belongs to a transaction, of the same wallet",
        "ledger_entries",
        """SELECT format('%s line %s', e.transaction_id, e.line) AS row,
                  CASE WHEN t.id IS NULL THEN 'its transaction is missing'
                       ELSE 'it is of another wallet than its transaction' END AS problem
           FROM ledger_entries e LEFT JOIN ledger_transactions t ON t.id = e.transaction_id
           WHERE t.id IS NULL
              OR e.account = 'wallet' AND (e.workspace_id, e.mode::text) IS DISTINCT FROM (t.workspace_id, t.mode::text)
           ORDER BY e.transaction_id, e.line""",
    ),
    Rule(
        "a cause moves money once",
        "ledger_transactions",
        """SELECT min(id::text) AS row, format('%s transactions for %s %s', count(*), cause_kind, cause_id) AS problem
           FROM ledger_transactions GROUP BY cause_kind, cause_id HAVING count(*) > 1 ORDER BY 1""",
    ),
    Rule(
        "a wallet's entries are numbered without a gap and each leaves the balance that all before it add up to",
        "ledger_entries",
        f"""SELECT format('%s line 0', transaction_id) AS row,
                   format('entry %s of wallet %s %s says %s; entry %s leaving %s is right',
                          sequence, workspace_id, mode, balance_after_minor, expected_sequence, expected_balance) AS problem
            FROM ({_CHAIN}) AS chain
            WHERE sequence <> expected_sequence OR balance_after_minor <> expected_balance
            ORDER BY workspace_id, mode, sequence""",
    ),
    Rule(
        "every workspace has the wallets that were opened with it",
        "wallets",
        """SELECT format('%s %s', s.id, m.mode) AS row, 'it is missing' AS problem
           FROM workspaces s CROSS JOIN unnest('{live,test}'::text[]) AS m (mode)
           LEFT JOIN wallets w ON w.workspace_id = s.id AND w.mode = m.mode
           WHERE w.mode IS NULL
           ORDER BY s.id, m.mode""",
    ),
    Rule(
        "a wallet's balance is the sum of its entries",
        "wallets",
        f"""SELECT {_WALLET_NAME} AS row,
                   format('balance %s after %s entries; the books say %s after %s', w.balance_minor, w.entry_count,
                          coalesce(sum(e.amount_minor), 0), count(e.line)) AS problem
            FROM wallets w LEFT JOIN ledger_entries e
              ON e.account = 'wallet' AND e.workspace_id = w.workspace_id AND e.mode = w.mode
            GROUP BY w.workspace_id, w.mode
            HAVING w.balance_minor <> coalesce(sum(e.amount_minor), 0) OR w.entry_count <> count(e.line)
            ORDER BY w.workspace_id, w.mode""",
    ),
    Rule(
        "what a wallet holds is the sum of its open holds",
        "wallets",
        f"""SELECT {_WALLET_NAME} AS row,
                   format('held %s; its open holds add up to %s', w.held_minor, coalesce(sum(h.amount_minor), 0)) AS problem
            FROM wallets w LEFT JOIN holds h ON h.state = 'open' AND h.workspace_id = w.workspace_id AND h.mode = w.mode
            GROUP BY w.workspace_id, w.mode HAVING w.held_minor <> coalesce(sum(h.amount_minor), 0)
            ORDER BY w.workspace_id, w.mode""",
    ),
    Rule(
        "only a reversal or a staff adjustment takes a wallet below zero",
        "ledger_entries",
        f"""SELECT format('%s line 0', transaction_id) AS row,
                   format('a %s took wallet %s %s from %s to %s', t.cause_kind, chain.workspace_id, chain.mode,
                          balance_before, balance_after_minor) AS problem
            FROM ({_CHAIN}) AS chain JOIN ledger_transactions t ON t.id = chain.transaction_id
            WHERE amount_minor < 0 AND balance_after_minor < 0 AND balance_before >= 0
              AND t.cause_kind NOT IN ('reversal', 'adjustment')
              AND NOT EXISTS (SELECT FROM ledger_entries p JOIN ledger_transactions pt ON pt.id = p.transaction_id
                              WHERE p.workspace_id = chain.workspace_id AND p.mode = chain.mode AND p.account = 'wallet'
                                AND p.sequence < chain.sequence AND p.amount_minor < 0
                                AND pt.cause_kind IN ('reversal', 'adjustment'))
            ORDER BY chain.workspace_id, chain.mode, sequence""",
    ),
    Rule(
        "a settled hold has paid, from its wallet and no more than it held; one that is not settled has not",
        "holds",
        """SELECT format('%s %s', h.cause_kind, h.cause_id) AS row,
                  format('%s hold of %s, entry of %s', h.state, h.amount_minor, coalesce(e.amount_minor, 0)) AS problem
           FROM holds h
           LEFT JOIN ledger_transactions t ON t.cause_kind = h.cause_kind AND t.cause_id = h.cause_id
           LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
           WHERE (h.state = 'settled') <> (t.id IS NOT NULL)
              OR t.id IS NOT NULL AND (-e.amount_minor > h.amount_minor
                  OR (h.workspace_id, h.mode::text) IS DISTINCT FROM (t.workspace_id, t.mode::text))
           ORDER BY h.created_at, h.cause_kind, h.cause_id""",
    ),
    Rule(
        "what a call was charged was held for before",
        "ledger_transactions",
        """SELECT t.id::text AS row, format('call %s was charged, and there is no hold for it', t.cause_id) AS problem
           FROM ledger_transactions t
           LEFT JOIN holds h ON h.cause_kind = t.cause_kind AND h.cause_id = t.cause_id
           WHERE t.cause_kind = 'call' AND h.cause_id IS NULL
           ORDER BY t.id""",
    ),
    Rule(
        "what a transaction is for exists: its wallet, its call, its number, its top-up",
        "ledger_transactions",
        """SELECT t.id::text AS row, format('its %s does not exist', CASE
                  WHEN t.workspace_id IS NOT NULL AND w.mode IS NULL THEN format('wallet %s %s', t.workspace_id, t.mode)
                  WHEN t.call_id IS NOT NULL AND c.id IS NULL THEN format('call %s', t.call_id)
                  WHEN t.number_id IS NOT NULL AND n.id IS NULL THEN format('number %s', t.number_id)
                  ELSE format('top-up %s', t.topup_id) END) AS problem
           FROM ledger_transactions t
           LEFT JOIN wallets w ON w.workspace_id = t.workspace_id AND w.mode = t.mode
           LEFT JOIN calls c ON c.id = t.call_id
           LEFT JOIN numbers n ON n.id = t.number_id
           LEFT JOIN topups u ON u.id = t.topup_id
           WHERE num_nonnulls(t.workspace_id, t.call_id, t.number_id, t.topup_id)
              <> num_nonnulls(w.workspace_id, c.id, n.id, u.id)
           ORDER BY t.id""",
    ),
    Rule(
        "no call that has ended, or never was, holds money",
        "holds",
        """SELECT format('call %s', h.cause_id) AS row,
                  CASE WHEN c.id IS NULL THEN format('%s held for a call that does not exist', h.amount_minor)
                       ELSE format('%s held though the call is %s', h.amount_minor, c.status) END AS problem
           FROM holds h LEFT JOIN calls c ON c.id::text = h.cause_id
           WHERE h.cause_kind = 'call' AND h.state = 'open'
             AND (c.id IS NULL OR c.status NOT IN ('queued', 'ringing', 'answered'))
           ORDER BY h.created_at, h.cause_id""",
    ),
    Rule(
        "a call that has ended was charged what its record says",
        "calls",
        """SELECT c.id::text AS row,
                  format('it costs %s and was charged %s', c.cost_minor, coalesce(-e.amount_minor, 0)) AS problem
           FROM calls c
           LEFT JOIN ledger_transactions t ON t.cause_kind = 'call' AND t.cause_id = c.id::text
           LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0
           WHERE c.status NOT IN ('queued', 'ringing', 'answered') AND c.cost_minor <> coalesce(-e.amount_minor, 0)
           ORDER BY c.id""",
    ),
    Rule(
        "a call costs what its seconds cost at the rate it was placed at",
        "calls",
        """SELECT c.id::text AS row,
                  format('%s s at %s a minute cost %s', c.billed_seconds, c.rate_per_minute_minor, c.cost_minor) AS problem
           FROM calls c
           WHERE c.status NOT IN ('queued', 'ringing', 'answered') AND c.target_count = 1
             AND c.cost_minor <> (coalesce(c.billed_seconds, 0)::bigint * c.rate_per_minute_minor + 59) / 60
           ORDER BY c.id""",
    ),
)


async def audit(
    connection: Connection, noted: Sequence[NotedSeal] = (), further: Sequence[Rule] = ()
) -> list[Finding]:
    """Checks every rule over the whole ledger, in one snapshot; an empty list means the books are right.

    `noted` are seals that were written down outside, to be found unchanged; `further` the rules of who brings money in.
    Run it outside a transaction: it opens a read-only one of its own. It takes no locks that stop payments.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        findings = [finding for rule in (*RULES, *further) if (finding := await _check(connection, rule))]
        if broken := await first_broken(connection):
            findings.append(_seal_finding(broken))
        changed = [noted_difference(seal, await seal_numbered(connection, seal.sequence)) for seal in noted]
    return findings + [_seal_finding(broken) for broken in changed if broken]


def _seal_finding(broken: BrokenSeal) -> Finding:
    return Finding(rule=SEALS, table=broken.table, row=broken.row, problem=broken.problem, broken=1)


async def _check(connection: Connection, rule: Rule) -> Finding | None:
    first = await connection.fetchrow(
        f"SELECT row, problem, count(*) OVER () AS broken FROM ({rule.query}) AS breach LIMIT 1"
    )
    if first is None:
        return None
    return Finding(rule=rule.name, table=rule.table, **dict(first))
