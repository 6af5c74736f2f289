"""What the database itself refuses, whoever asks."""

import re
from uuid import UUID

import asyncpg
import pytest

from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.wallet.models import Account, EntryType, LedgerAccount
from wallet.scenery import Money

TABLES = ("ledger_transactions", "ledger_entries")


async def add_transaction(connection: Connection, account: Account, entry_count: int = 2) -> UUID:
    transaction_id = uuid7()
    await connection.execute(
        "INSERT INTO ledger_transactions (id, workspace_id, mode, cause_kind, cause_id, entry_count, description, created_at)"
        " VALUES ($1, $2, $3, 'suspense', $4, $5, 'By hand', now())",
        transaction_id,
        account.workspace_id,
        account.mode,
        str(transaction_id),
        entry_count,
    )
    return transaction_id


async def add_entries(
    connection: Connection, transaction_id: UUID, *amounts: int, first_line: int = 1
) -> None:
    await connection.execute(
        "INSERT INTO ledger_entries (transaction_id, line, account, amount_minor)"
        " SELECT $1, $2 + n - 1, 'suspense', amount FROM unnest($3::bigint[]) WITH ORDINALITY AS x (amount, n)",
        transaction_id,
        first_line,
        list(amounts),
    )


REWRITES = (
    "UPDATE ledger_transactions SET description = ''",
    "UPDATE ledger_entries SET amount_minor = 1",
    *(f"DELETE FROM {table}" for table in (*TABLES, "wallets", "holds")),
    *(f"TRUNCATE {table} CASCADE" for table in (*TABLES, "wallets", "holds")),
)


async def test_the_application_may_not_rewrite_the_books(money: Money) -> None:
    async with money.database.connection() as connection:
        for statement in REWRITES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_not_even_the_owner_rewrites_the_ledger_by_accident(money: Money, owner: Connection) -> None:
    for statement in REWRITES:
        with pytest.raises(asyncpg.RestrictViolationError, match=r"append-only|stay for ever"):
            await owner.execute(statement)


async def test_not_even_an_empty_wallet_is_deleted(money: Money, owner: Connection) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="wallets stay for ever"):
        await owner.execute("DELETE FROM wallets WHERE mode = 'live'")
    assert await owner.fetchval("SELECT count(*) FROM wallets WHERE mode = 'live'") == 1


async def write(money: Money, announced: int, *amounts: int) -> UUID:
    """A transaction of the application's own hand, with these entries, committed."""
    async with money.database.transaction() as connection:
        transaction_id = await add_transaction(connection, money.live, announced)
        if amounts:
            await add_entries(connection, transaction_id, *amounts)
    return transaction_id


async def test_entries_that_do_not_add_up_are_refused(money: Money) -> None:
    await write(money, 2, 5, -5)
    with pytest.raises(asyncpg.CheckViolationError, match="adding up to 1"):
        await write(money, 2, 6, -5)


async def test_a_transaction_without_its_entries_cannot_commit(money: Money) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="0 of 2 entries"):
        await write(money, 2)


async def test_nothing_is_added_to_an_old_transaction(money: Money) -> None:
    old = await write(money, 2, 5, -5)
    async with money.database.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="4 of 2 entries"):
            await add_entries(connection, old, 7, -7, first_line=3)


async def test_a_balance_moves_with_an_entry_or_not_at_all(money: Money) -> None:
    async with money.database.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="has no entry"):
            await connection.execute(
                "UPDATE wallets SET balance_minor = balance_minor + 1 WHERE mode = 'live'"
            )


async def test_the_database_and_the_code_know_the_same_causes_and_accounts(
    money: Money, owner: Connection
) -> None:
    checks = await owner.fetch(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE contype = 'c' AND conname IN"
        " ('ledger_transactions_cause_kind_check', 'ledger_entries_account_check')"
    )
    known = {name for check in checks for name in re.findall(r"'([a-z_.]+)'", check["text"])}
    assert known == {*EntryType, *LedgerAccount, "wallet", "suspense"}
