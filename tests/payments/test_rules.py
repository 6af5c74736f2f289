"""What somebody with every password might do to the records of M-PESA payments, and what the audit says of it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from conftest import PostgresForTests
from payments.office import Office
from sautikitd.database.pool import Connection
from sautikitd.payments.rules import RULES
from sautikitd.wallet.audit import Finding, audit

PAYS, PAYS_MORE, PENDING, FAILS = (f"+25471234{last:04}" for last in (1, 16, 0, 3))

_FORGED = """
INSERT INTO ledger_transactions (id, workspace_id, mode, cause_kind, cause_id, entry_count, description, created_at)
SELECT 'ffffffff-0000-7000-8000-000000000001', workspace_id, mode, 'top_up', 'forged', 2, 'Forged', now()
FROM wallets WHERE mode = 'test';
UPDATE wallets SET balance_minor = balance_minor + 500, entry_count = entry_count + 1 WHERE mode = 'test';
INSERT INTO ledger_entries
SELECT 'ffffffff-0000-7000-8000-000000000001', 0, 'wallet', 500, workspace_id, mode, entry_count, balance_minor
FROM wallets WHERE mode = 'test';
INSERT INTO ledger_entries VALUES ('ffffffff-0000-7000-8000-000000000001', 1, 'mpesa_clearing', -500)
"""


@pytest.fixture
async def superuser(postgres: PostgresForTests, database_name: str) -> AsyncIterator[Connection]:
    """Whom neither triggers nor foreign keys stop."""
    connection = await asyncpg.connect(postgres.server.url("postgres", database_name))
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


@pytest.fixture
async def busy(office: Office) -> Office:
    """One top-up paid, one paid with a shilling too much and in suspense, one failed, one waiting for its phone."""
    for phone in (PAYS, PAYS_MORE, FAILS, PENDING):
        await office.top_up(phone)
    await office.require_right_books()
    return office


async def findings(office: Office) -> list[Finding]:
    async with office.database.connection() as connection:
        return await audit(connection, further=RULES)


@pytest.mark.parametrize(
    ("statement", "table", "named"),
    [
        ("UPDATE topups SET amount_minor = amount_minor + 100 WHERE {paid}", "topups", "SELECT id FROM topups WHERE {paid}"),
        (
            "UPDATE topups SET status = 'failed', failure_code = 'topup.cancelled' WHERE {paid}",
            "topups",
            "SELECT id FROM topups WHERE failure_code = 'topup.cancelled' AND receipt IS NOT NULL",
        ),
        (
            "UPDATE topups SET status = 'succeeded', completed_at = now(), prompt_open = false WHERE status = 'pending'",
            "topups",
            "SELECT id FROM topups WHERE phone_e164 = '{PENDING}'",
        ),
        ("DELETE FROM mpesa_receipts WHERE place = 'wallet'", "topups", "SELECT id FROM topups WHERE {paid}"),
        (
            "UPDATE mpesa_receipts SET amount_minor = amount_minor + 1 WHERE place = 'wallet'",
            "mpesa_receipts",
            "SELECT receipt FROM mpesa_receipts WHERE place = 'wallet'",
        ),
        (
            "UPDATE mpesa_receipts SET place = 'reversed' WHERE place = 'suspense'",
            "mpesa_receipts",
            "SELECT receipt FROM mpesa_receipts WHERE place = 'reversed'",
        ),
        (
            "UPDATE suspense_cases SET state = 'reversed', closed_at = now()",
            "mpesa_receipts",
            "SELECT receipt FROM suspense_cases",
        ),
        ("DELETE FROM suspense_cases", "mpesa_receipts", "SELECT receipt FROM mpesa_receipts WHERE place = 'suspense'"),
        (
            "UPDATE suspense_cases SET amount_minor = amount_minor - 1",
            "suspense_cases",
            "SELECT id FROM suspense_cases",
        ),
        ("DELETE FROM mpesa_receipts WHERE place = 'suspense'", "suspense_cases", "SELECT id FROM suspense_cases"),
        (
            "DELETE FROM suspense_cases; DELETE FROM mpesa_receipts WHERE place = 'suspense'",
            "ledger_transactions",
            "SELECT id FROM ledger_transactions WHERE cause_kind = 'suspense'",
        ),
        (_FORGED, "ledger_transactions", "SELECT id FROM ledger_transactions WHERE cause_id = 'forged'"),
    ],
)  # fmt: skip
async def test_a_record_of_money_that_was_changed_is_named(
    busy: Office, superuser: Connection, statement: str, table: str, named: str
) -> None:
    words = {"paid": "receipt IS NOT NULL", "PENDING": PENDING}
    await superuser.execute(statement.format(**words))
    row = str(await superuser.fetchval(named.format(**words)))
    found = await findings(busy)
    assert (table, row) in [(finding.table, finding.row) for finding in found]
    assert all(finding.problem for finding in found)
