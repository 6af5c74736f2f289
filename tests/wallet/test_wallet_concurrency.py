"""Many at once on one wallet, some of them killed on the way. The books hold, whatever was lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from math import ceil

import asyncpg
import pytest

from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.wallet.audit import audit
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.models import Account, Bill, Cause, EntryType, Wish
from wallet.scenery import CALL, Money, add_workspace, call

RATE = 300
# What a life cut short dies of. asyncpg calls a connection that is lost while it is being cancelled an internal error.
LOST = (asyncio.CancelledError, asyncpg.PostgresError, asyncpg.InternalClientError, *DatabaseUnavailable)
Work = Callable[[Connection], Awaitable[object]]


@pytest.fixture
async def crowd(database_url: str, money: Money) -> AsyncIterator[Money]:
    """The same money over enough connections to crowd one wallet."""
    database = await Database.connect(database_url, name="crowd", minimum=24, maximum=24)
    money.database = database
    yield money
    await asyncio.wait_for(database.close(), 20)


async def commit(money: Money, work: Work) -> None:
    async with money.database.transaction() as connection:
        await work(connection)


async def test_two_hundred_holds_on_money_for_ten_are_ten(crowd: Money) -> None:
    await crowd.top_up(3_299)
    outcomes = await asyncio.gather(
        *(commit(crowd, lambda c: crowd.wallets.hold(c, crowd.live, call(), 300)) for _ in range(200)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 10
    assert sum(isinstance(outcome, InsufficientFunds) for outcome in outcomes) == 190
    assert await crowd.figures() == (3_299, 3_000)


async def test_three_thousand_waiting_on_money_for_one_hundred_are_one_hundred(crowd: Money) -> None:
    await crowd.top_up(30_299)
    outcomes = await asyncio.gather(
        *(commit(crowd, lambda c: crowd.wallets.hold(c, crowd.live, call(), 300)) for _ in range(3_000)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 100
    assert sum(isinstance(outcome, InsufficientFunds) for outcome in outcomes) == 2_900
    assert await crowd.figures() == (30_299, 30_000)


async def test_crowds_of_twenty_five_take_what_there_is_and_no_more(crowd: Money) -> None:
    await crowd.top_up(100_299)

    async def together(number: int) -> int:
        wishes = [Wish(crowd.live, f"{number}/{place}", 300) for place in range(25)]
        async with crowd.database.transaction() as connection:
            return len(await crowd.wallets.hold_many(connection, EntryType.CALL, wishes))

    held = await asyncio.gather(*(together(number) for number in range(60)))
    assert sum(held) == 334
    assert await crowd.figures() == (100_299, 100_200)


async def test_crowds_that_share_wallets_in_any_order_never_wait_for_each_other_in_a_circle(
    crowd: Money, database: Database
) -> None:
    chance = random.Random(7)
    accounts = [crowd.live, crowd.test]
    for number in range(6):
        account = Account(await add_workspace(database, f"Another {number}"), "live")
        accounts.append(account)
        async with database.transaction() as connection:
            await crowd.wallets.open_wallets(connection, account.workspace_id)
            money = Cause(EntryType.TOP_UP, f"money {number}")
            await crowd.wallets.credit(connection, account, money, 50_000, CALL)
    await crowd.top_up(50_000)

    async def together(number: int) -> tuple[int, int]:
        wishes = [Wish(chance.choice(accounts), f"{number}/{place}", 300) for place in range(25)]
        async with crowd.database.transaction() as connection:
            held = await crowd.wallets.hold_many(connection, EntryType.CALL, wishes)
        costs = {cause: chance.randrange(0, 301) for cause in chance.sample(sorted(held), len(held))}
        async with crowd.database.transaction() as connection:
            bills = [Bill(cause_id=cause, cost_minor=cost, details=CALL) for cause, cost in costs.items()]
            closed = await crowd.wallets.settle_many(connection, EntryType.CALL, bills)
        return sum(costs.values()), -sum(entry.amount_minor for entry in closed.values() if entry)

    paid = await asyncio.wait_for(asyncio.gather(*(together(number) for number in range(60))), 60)
    assert all(cost == entered for cost, entered in paid)
    async with database.connection() as connection:
        left, held = await connection.fetchrow("SELECT sum(balance_minor), sum(held_minor) FROM wallets")
        put_in = await connection.fetchval(
            "SELECT sum(amount_minor) FROM ledger_entries WHERE line = 0 AND amount_minor > 0"
        )
        findings = await audit(connection)
    assert (left, held) == (put_in - sum(cost for cost, _ in paid), 0)
    assert [finding for finding in findings if finding.table != "calls"] == []


async def test_fifty_identical_lives_of_a_call_have_one_effect(crowd: Money) -> None:
    await crowd.top_up(10_000)
    cause = call()

    async def live(connection: Connection) -> None:
        await crowd.wallets.hold(connection, crowd.live, cause, 300)
        await crowd.wallets.settle(connection, cause, 123, CALL)

    await asyncio.gather(*(commit(crowd, live) for _ in range(50)))
    assert await crowd.figures() == (9_877, 0)


async def test_fifty_identical_credits_are_one(crowd: Money) -> None:
    cause = Cause(EntryType.ADJUSTMENT, "goodwill")
    await asyncio.gather(
        *(
            commit(crowd, lambda c: crowd.wallets.adjust(c, crowd.live, cause, 70, "Goodwill"))
            for _ in range(50)
        )
    )
    assert await crowd.figures() == (70, 0)


async def test_one_call_settled_alone_and_among_others_at_once_ends_one_way(crowd: Money) -> None:
    await crowd.top_up(6_000)
    causes = [call() for _ in range(20)]
    for cause in causes:
        await commit(crowd, lambda c, cause=cause: crowd.wallets.hold(c, crowd.live, cause, 300))  # type: ignore[misc]

    async def end(cause: Cause, cost: int | None) -> None:
        async with crowd.database.transaction() as connection:
            if cost is None:
                bills = [Bill(cause_id=one.id, cost_minor=150, details=CALL) for one in causes]
                await crowd.wallets.settle_many(connection, EntryType.CALL, bills)
            else:
                await crowd.wallets.settle(connection, cause, cost, CALL)

    await asyncio.gather(*(end(cause, cost) for cause in causes for cost in (100, 200, None)))
    async with crowd.database.connection() as connection:
        paid = await connection.fetchval("SELECT count(*) FROM ledger_transactions WHERE cause_kind = 'call'")
        closed = await connection.fetchval("SELECT count(*) FROM holds WHERE state = 'settled'")
        assert paid == closed
        assert await audit(connection) == []


class Life:
    """A call's money from hold to settlement, each step a transaction, as a voice node would; told what was acknowledged."""

    def __init__(self, money: Money, chance: random.Random) -> None:
        self.money = money
        self.chance = chance
        self.cause = call()
        self.seconds = chance.randrange(0, 400)
        self.covered = 0
        self.paid: int | None = None

    async def live(self) -> None:
        try:
            await self._step(self._hold)
            while self.covered < self.seconds:
                before = self.covered
                await self._step(self._extend)
                if self.covered == before:
                    break
            await self._step(self._settle)
        except InsufficientFunds:
            return

    async def end(self) -> None:
        """What the reaper does for a call whose life was cut short: charges what is proved, once."""
        async with self.money.database.transaction() as connection:
            held = await connection.fetchval(
                "SELECT amount_minor FROM holds WHERE cause_id = $1 AND state = 'open'", self.cause.id
            )
            if held is not None:
                await self.money.wallets.settle(connection, self.cause, min(held, 100), CALL)

    async def _step(self, work: Work) -> None:
        async with self.money.database.transaction() as connection:
            await work(connection)

    async def _hold(self, connection: Connection) -> None:
        self.covered = 60
        await self.money.wallets.hold(connection, self.money.live, self.cause, 300)

    async def _extend(self, connection: Connection) -> None:
        coverage = await self.money.wallets.extend_hold(connection, self.cause, self.covered + 60, RATE)
        self.covered = coverage.seconds

    async def _settle(self, connection: Connection) -> None:
        cost = ceil(min(self.seconds, self.covered) * RATE / 60)
        await self.money.wallets.settle(connection, self.cause, cost, CALL)
        self.paid = cost


async def harass(database_url: str, tasks: list[asyncio.Task[None]], chance: random.Random) -> None:
    """Cancels clients and cuts connections until everybody is done."""
    killer = await asyncpg.connect(database_url)
    try:
        while not all(task.done() for task in tasks):
            chance.choice(tasks).cancel()
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'crowd' ORDER BY random() LIMIT 1"
            )
            await asyncio.wait(tasks, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await killer.close()


@pytest.mark.parametrize("seed", range(3))
async def test_calls_cut_anywhere_never_overdraw_and_never_pay_twice(
    crowd: Money, database: Database, database_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    await crowd.top_up(60_000)
    lives = [Life(crowd, chance) for _ in range(150)]
    tasks = [asyncio.create_task(life.live()) for life in lives]
    harasser = asyncio.create_task(harass(database_url, tasks, chance))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await harasser
    assert [o for o in outcomes if o is not None and not isinstance(o, LOST)] == []
    crowd.database, crowded = database, crowd.database
    for life in lives:
        await life.end()
    async with database.connection() as connection:
        assert await audit(connection) == []
        lowest = await connection.fetchval("SELECT min(balance_after_minor) FROM ledger_entries")
        rows = await connection.fetch(
            "SELECT cause_id, -amount_minor AS paid FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id"
            " WHERE e.line = 0 AND cause_kind = 'call'"
        )
    crowd.database = crowded
    paid = {row["cause_id"]: row["paid"] for row in rows}
    assert len(paid) == len(rows)
    assert lowest >= 0
    balance, held = await figures(database, crowd)
    assert (balance, held) == (60_000 - sum(paid.values()), 0)
    finished = [life for life, outcome in zip(lives, outcomes, strict=True) if outcome is None and life.paid]
    assert finished
    assert all(paid[life.cause.id] == life.paid for life in finished)


async def figures(database: Database, money: Money) -> tuple[int, int]:
    async with database.connection() as connection:
        balance = await money.wallets.balance(connection, money.live)
    return balance.balance_minor, balance.held_minor


async def test_nobody_ever_sees_less_than_nothing_available(crowd: Money, database: Database) -> None:
    await crowd.top_up(3_000)
    chance = random.Random(4)
    tasks = [asyncio.create_task(Life(crowd, chance).live()) for _ in range(100)]
    seen = []
    async with database.connection() as connection:
        while not all(task.done() for task in tasks):
            seen.append((await crowd.wallets.balance(connection, crowd.live)).available_minor)
    await asyncio.gather(*tasks)
    assert seen
    assert min(seen) >= 0
