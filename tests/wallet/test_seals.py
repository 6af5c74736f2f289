"""Seals: what they hold, and that nothing sealed is rewritten unseen."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection, Database
from sautikitd.wallet.audit import audit
from sautikitd.wallet.seals import NotedSeal, newest_seal, seal_numbered, seal_settled
from wallet.scenery import Money

# An amount, its counterpart, every balance after it and the wallet itself: all other rules hold.
CONSISTENT = (
    "UPDATE ledger_entries SET amount_minor = amount_minor + sign(amount_minor), balance_after_minor ="
    " balance_after_minor + 1 WHERE transaction_id = $1",
    "UPDATE ledger_entries SET balance_after_minor = balance_after_minor + 1 WHERE account = 'wallet' AND mode = 'live'"
    " AND sequence > (SELECT sequence FROM ledger_entries WHERE transaction_id = $1 AND line = 0)",
    "UPDATE wallets SET balance_minor = balance_minor + 1 WHERE mode = 'live' AND $1::uuid IS NOT NULL",
)
GONE = (
    "DELETE FROM ledger_entries WHERE transaction_id = $1",
    "DELETE FROM ledger_transactions WHERE id = $1",
)
REWORDED = ("UPDATE ledger_transactions SET description = 'Gift' WHERE id = $1",)


def later() -> ManualClock:
    return ManualClock(datetime.now(UTC) + timedelta(minutes=10))


@pytest.fixture
async def sealed(money: Money, owner: Connection) -> list[UUID]:
    """Three top-ups under two seals; their transactions."""
    await money.top_up(1_000)
    await seal_settled(money.database, later())
    await money.top_up(2_000)
    await money.top_up(3_000)
    await seal_settled(money.database, later())
    rows = await owner.fetch("SELECT id FROM ledger_transactions WHERE mode = 'live' ORDER BY id")
    return [row["id"] for row in rows]


async def tamper(owner: Connection, *statements: str, row: object) -> None:
    tables = ("ledger_transactions", "ledger_entries", "ledger_seals", "wallets")
    async with owner.transaction():
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            await owner.execute(statement, row)
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def found(database: Database) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        return [(finding.table, finding.row) for finding in await audit(connection)]


async def test_what_is_young_waits_for_a_later_seal(money: Money) -> None:
    await money.top_up(1_000)
    assert await seal_settled(money.database, ManualClock(datetime.now(UTC))) == 0
    assert await seal_settled(money.database, later()) == 2  # the test wallet's opening too
    assert await seal_settled(money.database, later()) == 0
    assert await found(money.database) == []


async def test_nothing_is_sealed_while_a_writer_that_may_come_between_still_runs(
    money: Money, owner: Connection
) -> None:
    await money.top_up(1_000)
    writing = owner.transaction()
    await writing.start()
    await owner.execute("SELECT pg_current_xact_id()")
    clock = later()
    clock.sleep = _no_sleep  # type: ignore[method-assign]
    assert await seal_settled(money.database, clock) == 0
    await writing.rollback()
    assert await seal_settled(money.database, clock) == 2


async def _no_sleep(seconds: float) -> None:
    return None


@pytest.mark.parametrize("statements", [CONSISTENT, REWORDED])
@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_rewriting_that_every_other_rule_passes_is_named(
    money: Money, sealed: list[UUID], owner: Connection, statements: tuple[str, ...], which: int
) -> None:
    assert await found(money.database) == []
    await tamper(owner, *statements, row=sealed[which])
    assert await found(money.database) == [("ledger_transactions", str(sealed[which]))]


async def test_a_transaction_that_is_gone_shows_where_it_was(
    money: Money, sealed: list[UUID], owner: Connection
) -> None:
    await tamper(owner, *GONE, row=sealed[1])
    assert ("ledger_transactions", str(sealed[2])) in await found(money.database)


async def test_a_seal_that_is_gone_or_changed_is_named(
    money: Money, sealed: list[UUID], owner: Connection
) -> None:
    await tamper(owner, "UPDATE ledger_seals SET sealed_at = now() WHERE sequence = $1", row=2)
    assert await found(money.database) == [("ledger_seals", "2")]
    await tamper(owner, "DELETE FROM ledger_seals WHERE sequence = $1", row=1)
    assert await found(money.database) == [("ledger_seals", "1")]


async def test_the_application_cannot_touch_a_seal(money: Money, sealed: list[UUID]) -> None:
    for statement in ("UPDATE ledger_seals SET entry_count = 1", "DELETE FROM ledger_seals"):
        async with money.database.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    async with money.database.connection() as connection:
        newest = await newest_seal(connection)
    assert newest is not None
    assert (newest.sequence, newest.transaction_count, newest.entry_count) == (2, 2, 4)


async def test_a_chain_that_was_rewritten_whole_differs_from_what_was_noted(
    money: Money, sealed: list[UUID], owner: Connection
) -> None:
    async with money.database.connection() as connection:
        first = await seal_numbered(connection, 1)
        assert first is not None
        noted = NotedSeal(1, first.hash.hex())
        assert await audit(connection, [noted]) == []
    gone = "DELETE FROM ledger_seals WHERE $1::uuid IS NOT NULL"
    await tamper(owner, *CONSISTENT, gone, row=sealed[0])
    await seal_settled(money.database, later())
    async with money.database.connection() as connection:
        assert await audit(connection) == []
        (finding,) = await audit(connection, [noted])
    assert finding.row == "1"
    assert f"was noted as {noted.hash}" in finding.problem
