from uuid import UUID

import pytest

from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.wallet.audit import RULES, Finding, audit
from wallet.scenery import CALL, Money, call

# What somebody with the owner's password might do, and the rule that tells. `$1` is the transaction of the second
# of three settled calls, `$2` the wallet's workspace.
ENTRY_CHANGED = (
    "UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE transaction_id = $1 AND line = 0"
)
ENTRY_AND_BALANCES_CHANGED = """
WITH less AS (UPDATE ledger_entries SET amount_minor = amount_minor + sign(amount_minor), balance_after_minor =
                     balance_after_minor - CASE line WHEN 0 THEN 1 END WHERE transaction_id = $1)
UPDATE ledger_entries SET balance_after_minor = balance_after_minor - 1 WHERE account = 'wallet' AND transaction_id <> $1
AND workspace_id = $2 AND mode = 'live'
AND sequence > (SELECT sequence FROM ledger_entries WHERE transaction_id = $1 AND line = 0)
"""
ENTRIES_GONE = "DELETE FROM ledger_entries WHERE transaction_id = $1"
BALANCE_AFTER_CHANGED = (
    "UPDATE ledger_entries SET balance_after_minor = 1 WHERE transaction_id = $1 AND line = 0"
)
ENTRY_GIVEN_AWAY = (
    "UPDATE ledger_entries SET mode = 'test', sequence = 9 WHERE transaction_id = $1 AND line = 0"
)
HOLD_REOPENED = """
UPDATE holds SET state = 'open', closed_at = NULL
WHERE cause_id = (SELECT cause_id FROM ledger_transactions WHERE id = $1)
"""


@pytest.fixture
async def spent(money: Money) -> list[UUID]:
    """Three calls settled at 100 each; their transactions."""
    await money.top_up(10_000)
    transactions = []
    for _ in range(3):
        cause = call()
        async with money.database.transaction() as connection:
            await money.wallets.hold(connection, money.live, cause, 300)
            entry = await money.wallets.settle(connection, cause, 100, CALL)
        assert entry
        transactions.append(entry.id)
    return transactions


async def findings(money: Money) -> dict[str, Finding]:
    async with money.database.connection() as connection:
        return {finding.rule: finding for finding in await audit(connection)}


async def tamper(owner: Connection, statement: str, *arguments: object) -> None:
    tables = ("ledger_transactions", "ledger_entries", "wallets", "holds")
    async with owner.transaction():
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await owner.execute(statement, *arguments)
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def test_honest_books_have_no_findings(money: Money, spent: list[UUID]) -> None:
    assert await findings(money) == {}


@pytest.mark.parametrize(
    ("statement", "rule", "row"),
    [
        (ENTRY_CHANGED, "every transaction adds up", "{id}"),
        (ENTRIES_GONE, "every transaction adds up", "{id}"),
        (ENTRY_GIVEN_AWAY, "every entry belongs", "{id} line 0"),
        (BALANCE_AFTER_CHANGED, "a wallet's entries are numbered", "{id} line 0"),
    ],
)
async def test_a_changed_entry_is_named(
    money: Money, spent: list[UUID], owner: Connection, statement: str, rule: str, row: str
) -> None:
    await tamper(owner, statement, spent[1])
    found = [finding for name, finding in (await findings(money)).items() if name.startswith(rule)]
    assert [finding.row for finding in found] == [row.format(id=spent[1])]
    assert found[0].broken == 1


async def test_an_entry_changed_with_all_balances_after_it_still_shows(
    money: Money, spent: list[UUID], owner: Connection
) -> None:
    await tamper(owner, ENTRY_AND_BALANCES_CHANGED, spent[1], money.live.workspace_id)
    found = await findings(money)
    assert list(found) == ["a wallet's balance is the sum of its entries"]
    assert found.popitem()[1].row == f"{money.live.workspace_id} live"


async def test_a_wallet_written_by_hand_is_named(money: Money, spent: list[UUID], owner: Connection) -> None:
    await tamper(owner, "UPDATE wallets SET balance_minor = 1, held_minor = 7 WHERE mode = 'live'")
    found = await findings(money)
    assert {finding.table for finding in found.values()} == {"wallets"}
    assert {finding.row for finding in found.values()} == {f"{money.live.workspace_id} live"}
    assert len(found) == 2


async def test_a_deleted_wallet_is_named_though_nothing_was_ever_in_it(
    money: Money, owner: Connection
) -> None:
    await tamper(
        owner, "DELETE FROM wallets WHERE workspace_id = $1 AND mode = 'live'", money.live.workspace_id
    )
    (finding,) = (await findings(money)).values()
    assert (finding.table, finding.row) == ("wallets", f"{money.live.workspace_id} live")


async def test_an_orphaned_entry_is_named(money: Money, spent: list[UUID], owner: Connection) -> None:
    await owner.execute("ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_transaction_id_fkey")
    await tamper(owner, "DELETE FROM ledger_transactions WHERE id = $1", spent[0])
    found = await findings(money)
    assert found["every entry belongs to a transaction, of the same wallet"].row == f"{spent[0]} line 0"


async def test_a_cause_that_paid_twice_is_named(money: Money, spent: list[UUID], owner: Connection) -> None:
    await owner.execute(
        "ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_cause_kind_cause_id_key"
    )
    await tamper(
        owner,
        "UPDATE ledger_transactions SET cause_id = (SELECT cause_id FROM ledger_transactions WHERE id = $1) WHERE id = $2",
        spent[0],
        spent[2],
    )
    found = await findings(money)
    assert found["a cause moves money once"].row == str(spent[0])


async def test_a_charge_whose_hold_is_gone_is_named(
    money: Money, spent: list[UUID], owner: Connection
) -> None:
    await tamper(
        owner,
        "DELETE FROM holds WHERE cause_id = (SELECT cause_id FROM ledger_transactions WHERE id = $1)",
        spent[1],
    )
    (finding,) = (await findings(money)).values()
    assert (finding.table, finding.row) == ("ledger_transactions", str(spent[1]))


@pytest.mark.parametrize("column", ["call_id", "number_id", "topup_id"])
async def test_a_charge_for_what_does_not_exist_is_named(
    money: Money, spent: list[UUID], owner: Connection, column: str
) -> None:
    await tamper(owner, f"UPDATE ledger_transactions SET {column} = id WHERE id = $1", spent[2])
    (finding,) = (await findings(money)).values()
    assert (finding.table, finding.row) == ("ledger_transactions", str(spent[2]))


async def test_a_reopened_hold_is_named(money: Money, spent: list[UUID], owner: Connection) -> None:
    await tamper(owner, HOLD_REOPENED, spent[1])
    found = await findings(money)
    cause = await owner.fetchval("SELECT cause_id FROM ledger_transactions WHERE id = $1", spent[1])
    assert {finding.row for finding in found.values() if finding.table == "holds"} == {f"call {cause}"}


async def test_a_hold_without_a_call_is_named(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 300)
    (finding,) = (await findings(money)).values()
    assert finding.row == f"call {cause.id}"
    assert finding.problem == "300 held for a call that does not exist"


async def add_ended_call(
    owner: Connection, money: Money, call_id: UUID, cost_minor: int, seconds: int
) -> None:
    """A completed call of the live workspace at KES 3.00 a minute, on a number of its own."""
    number_id = uuid7()
    await owner.execute(
        "WITH stock AS (INSERT INTO inventory (id, mode, e164, type, monthly_price_minor)"
        " VALUES ($1, 'live', $1::uuid::text, 'local', 0) RETURNING id)"
        " INSERT INTO numbers (id, workspace_id, mode, inventory_id, e164, type, monthly_price_minor, claimed_at, updated_at)"
        " SELECT id, $2, 'live', id, id::text, 'local', 0, now(), now() FROM stock",
        number_id,
        money.live.workspace_id,
    )
    await owner.execute(
        "INSERT INTO calls (id, session_id, workspace_id, mode, number_id, direction, from_address, to_address, local_e164,"
        " remote_e164, status, cost_minor, billed_seconds, rate_per_minute_minor, created_at, updated_at)"
        " VALUES ($1, $1::uuid::text, $2, 'live', $3, 'outbound', '', '', '', '', 'completed', $4, $5, 300, now(), now())",
        call_id,
        money.live.workspace_id,
        number_id,
        cost_minor,
        seconds,
    )


async def test_a_call_that_has_ended_may_hold_nothing_and_paid_what_it_says(
    money: Money, owner: Connection
) -> None:
    await money.top_up(1_000)
    honest, wrong, holding, dear = call(), call(), call(), call()
    async with money.database.transaction() as connection:
        for cause in (honest, wrong, holding):
            await money.wallets.hold(connection, money.live, cause, 300)
        for cause in (honest, wrong):
            await money.wallets.settle(connection, cause, 100, CALL)
        await money.wallets.hold(connection, money.live, dear, 10)
        await money.wallets.settle(connection, dear, 6, CALL)
    for cause, cost, seconds in ((honest, 100, 20), (wrong, 95, 19), (holding, 0, 0), (dear, 6, 1)):
        await add_ended_call(owner, money, UUID(cause.id), cost, seconds)
    assert {(found.table, found.row, found.problem) for found in (await findings(money)).values()} == {
        ("calls", wrong.id, "it costs 95 and was charged 100"),
        ("calls", dear.id, "1 s at 300 a minute cost 6"),
        ("holds", f"call {holding.id}", "300 held though the call is completed"),
    }


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
