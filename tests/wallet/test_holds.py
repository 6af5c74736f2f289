import pytest

from sautikitd.wallet.audit import audit
from sautikitd.wallet.errors import CauseReused, CostAboveHold, InsufficientFunds, NoHold
from sautikitd.wallet.models import Bill, Cause, EntryType, HoldState, Wish
from sautikitd.wallet.prices import hold_amount
from wallet.scenery import CALL, Money, call


async def test_a_hold_sets_money_aside_without_an_entry(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        hold = await money.wallets.hold(connection, money.live, cause, 300)
        balance = await money.wallets.balance(connection, money.live)
    assert (hold.amount_minor, hold.state) == (300, HoldState.OPEN)
    assert (balance.balance_minor, balance.held_minor, balance.available_minor) == (1_000, 300, 700)


async def test_a_hold_of_more_than_is_available_changes_nothing(money: Money) -> None:
    await money.top_up(500)
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, call(), 300)
        with pytest.raises(InsufficientFunds) as refused:
            await money.wallets.hold(connection, money.live, call(), 201)
    assert (refused.value.needed_minor, refused.value.available_minor) == (201, 200)
    assert await money.figures() == (500, 300)


async def test_a_cause_has_one_hold(money: Money) -> None:
    await money.top_up(500)
    cause = call()
    async with money.database.transaction() as connection:
        first = await money.wallets.hold(connection, money.live, cause, 300)
        again = await money.wallets.hold(connection, money.live, cause, 400)
        with pytest.raises(CauseReused):
            await money.wallets.hold(connection, money.test, cause, 300)
    assert first == again
    assert await money.figures() == (500, 300)


async def test_a_hold_is_resized_not_added_to(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 300)
        await money.wallets.resize_hold(connection, cause, 600)
        assert (await money.wallets.balance(connection, money.live)).held_minor == 600
        with pytest.raises(InsufficientFunds) as refused:
            await money.wallets.resize_hold(connection, cause, 1_001)
        await money.wallets.resize_hold(connection, cause, 600)
        await money.wallets.resize_hold(connection, cause, 100)
    assert refused.value.available_minor == 1_000
    assert await money.figures() == (1_000, 100)


async def test_growing_stops_at_the_last_whole_second_the_wallet_can_bear(money: Money) -> None:
    await money.top_up(1_003)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, hold_amount(60, 300))
        full = await money.wallets.extend_hold(connection, cause, 120, 300)
        last = await money.wallets.extend_hold(connection, cause, 240, 300)
        none = await money.wallets.extend_hold(connection, cause, 240, 300)
    assert (full.seconds, full.hold.amount_minor) == (120, 600)
    assert (last.seconds, last.hold.amount_minor) == (200, 1_000)
    assert none == last
    assert await money.figures() == (1_003, 1_000)


async def test_growing_never_shrinks_a_hold_even_when_the_wallet_is_overdrawn(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 900)
        await money.wallets.adjust(
            connection, money.live, Cause(EntryType.ADJUSTMENT, "x"), -800, "Clawed back"
        )
        coverage = await money.wallets.extend_hold(connection, cause, 600, 300)
        shrunk = await money.wallets.resize_hold(connection, cause, 150)
    assert (coverage.seconds, coverage.hold.amount_minor) == (180, 900)
    assert shrunk.amount_minor == 150


async def test_time_on_a_free_rate_is_covered_without_money(money: Money) -> None:
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 0)
        assert (await money.wallets.extend_hold(connection, cause, 3_600, 0)).seconds == 3_600


async def test_settling_pays_the_exact_cost_and_frees_the_rest(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 600)
        entry = await money.wallets.settle(connection, cause, 305, CALL)
        frozen = await connection.fetchval(
            "SELECT tax_basis_points FROM ledger_transactions WHERE cause_id = $1", cause.id
        )
    assert entry
    assert (entry.amount_minor, entry.balance_after_minor, frozen) == (-305, 695, 1600)
    assert await money.figures() == (695, 0)


async def test_only_the_first_settlement_counts(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 600)
        first = await money.wallets.settle(connection, cause, 305, CALL)
        again = await money.wallets.settle(connection, cause, 400, CALL)
        with pytest.raises(NoHold):
            await money.wallets.resize_hold(connection, cause, 700)
        closed = await money.wallets.hold(connection, money.live, cause, 300)
    assert first == again
    assert closed.state is HoldState.SETTLED
    assert await money.figures() == (695, 0)


async def test_a_call_that_cost_nothing_leaves_no_entry(money: Money) -> None:
    await money.top_up(1_000)
    cause, other = call(), call()
    async with money.database.transaction() as connection:
        for each in (cause, other):
            await money.wallets.hold(connection, money.live, each, 300)
        assert await money.wallets.settle(connection, cause, 0, CALL) is None
        assert await money.wallets.settle(connection, other, 0, CALL) is None
        assert await money.wallets.settle(connection, other, 300, CALL) is None
        assert (
            await connection.fetchval("SELECT count(*) FROM ledger_transactions WHERE cause_kind = 'call'")
            == 0
        )
    assert await money.figures() == (1_000, 0)


async def test_a_cost_above_the_hold_is_a_fault_and_changes_nothing(money: Money) -> None:
    await money.top_up(1_000)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 300)
        with pytest.raises(CostAboveHold):
            await money.wallets.settle(connection, cause, 301, CALL)
        with pytest.raises(NoHold):
            await money.wallets.settle(connection, call(), 1, CALL)
    assert await money.figures() == (1_000, 300)


async def test_a_settlement_that_takes_the_balance_below_the_threshold_is_told(money: Money) -> None:
    await money.top_up(10_100)
    cause = call()
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 300)
        assert not money.recorded.events
        await money.wallets.settle(connection, cause, 101, CALL)
    assert [event.data["balance_minor"] for event in money.recorded.events] == [9_999]


def bill(cause: Cause, cost_minor: int) -> Bill:
    return Bill(cause_id=cause.id, cost_minor=cost_minor, details=CALL)


async def test_several_settlements_are_entries_of_their_own_in_their_order(money: Money) -> None:
    await money.top_up(2_000)
    first, free, last = causes = [call() for _ in range(3)]
    async with money.database.transaction() as connection:
        for each in causes:
            await money.wallets.hold(connection, money.live, each, 300)
        bills = [bill(first, 125), bill(free, 0), bill(last, 300)]
        settled = await money.wallets.settle_many(connection, EntryType.CALL, bills)
        again = await money.wallets.settle(connection, first, 1, CALL)
        states = await connection.fetch("SELECT cause_id, state FROM holds")
    async with money.database.connection() as connection:
        assert await audit(connection) == []
    paid_first, paid_last = settled[first.id], settled[last.id]
    assert paid_first
    assert paid_last
    assert settled[free.id] is None
    assert (paid_first.amount_minor, paid_first.balance_after_minor) == (-125, 1_875)
    assert (paid_last.amount_minor, paid_last.balance_after_minor) == (-300, 1_575)
    assert again == paid_first
    assert dict(map(tuple, states)) == {first.id: "settled", free.id: "released", last.id: "settled"}
    assert await money.figures() == (1_575, 0)


async def test_what_cannot_be_settled_spoils_no_other_settlement(money: Money) -> None:
    await money.top_up(2_000)
    small, closed, good = (call() for _ in range(3))
    async with money.database.transaction() as connection:
        for each in (small, closed, good):
            await money.wallets.hold(connection, money.live, each, 300)
        await money.wallets.settle(connection, closed, 100, CALL)
        bills = [bill(small, 301), bill(closed, 50), bill(call(), 10), bill(good, 20)]
        settled = await money.wallets.settle_many(connection, EntryType.CALL, bills)
        none = await money.wallets.settle_many(connection, EntryType.CALL, bills)
        alone = await money.wallets.settle_many(connection, EntryType.CALL, [bill(small, 301)])
    assert list(settled) == [good.id]
    assert none == alone == {}
    assert await money.figures() == (1_880, 300)


async def test_several_settlements_that_cross_the_threshold_are_told_once(money: Money) -> None:
    await money.top_up(10_100)
    causes = [call() for _ in range(3)]
    async with money.database.transaction() as connection:
        for each in causes:
            await money.wallets.hold(connection, money.live, each, 300)
        bills = [bill(each, 60) for each in causes]
        await money.wallets.settle_many(connection, EntryType.CALL, bills)
    assert [event.data["balance_minor"] for event in money.recorded.events] == [9_920]


async def test_several_holds_are_taken_in_their_order_as_far_as_the_money_goes(money: Money) -> None:
    await money.top_up(1_000)
    causes = [str(number) for number in range(4)]
    amounts = 300, 600, 200, 50
    wishes = [Wish(money.live, cause, amount) for cause, amount in zip(causes, amounts, strict=True)]
    async with money.database.transaction() as connection:
        held = await money.wallets.hold_many(connection, EntryType.CALL, wishes)
    assert held == {"0", "1"}
    assert await money.figures() == (1_000, 900)


async def test_a_cause_that_is_held_for_already_is_left_alone_among_several(money: Money) -> None:
    await money.top_up(1_000)
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, Cause(EntryType.CALL, "0"), 300)
        wishes = [Wish(money.live, "0", 300), Wish(money.live, "1", 100)]
        held = await money.wallets.hold_many(connection, EntryType.CALL, wishes)
    assert held == {"1"}
    assert await money.figures() == (1_000, 400)


async def test_a_wallet_below_zero_bears_none_of_several(money: Money) -> None:
    async with money.database.transaction() as connection:
        cause = Cause(EntryType.ADJUSTMENT, "debt")
        await money.wallets.adjust(connection, money.live, cause, -5, "for the test")
        wishes = [Wish(money.live, "0", 0), Wish(money.live, "1", 10)]
        held = await money.wallets.hold_many(connection, EntryType.CALL, wishes)
    assert held == set()
    assert await money.figures() == (-5, 0)


async def test_holds_of_several_wallets_are_taken_each_as_far_as_its_own_money_goes(money: Money) -> None:
    await money.top_up(1_000)  # the test wallet has a hundred times that
    wishes = [
        Wish(money.live, "live 1", 700),
        Wish(money.test, "test 1", 60_000),
        Wish(money.live, "live 2", 400),
        Wish(money.test, "test 2", 40_000),
        Wish(money.test, "test 3", 1),
    ]
    async with money.database.transaction() as connection:
        held = await money.wallets.hold_many(connection, EntryType.CALL, wishes)
        balance = await money.wallets.balance(connection, money.test)
    assert held == {"live 1", "test 1", "test 2"}
    assert await money.figures() == (1_000, 700)
    assert (balance.balance_minor, balance.held_minor) == (100_000, 100_000)


async def test_settlements_of_several_wallets_are_each_wallets_own(money: Money) -> None:
    await money.top_up(1_000)
    accounts = {"a": money.live, "b": money.test, "c": money.live}
    async with money.database.transaction() as connection:
        wishes = [Wish(account, cause, 300) for cause, account in accounts.items()]
        await money.wallets.hold_many(connection, EntryType.CALL, wishes)
        costs = {"c": 250, "b": 1, "a": 30, "d": 5}  # nothing was ever held for d
        bills = [bill(Cause(EntryType.CALL, cause), cost) for cause, cost in costs.items()]
        settled = await money.wallets.settle_many(connection, EntryType.CALL, bills)
    assert {
        cause: entry and (entry.amount_minor, entry.balance_after_minor) for cause, entry in settled.items()
    } == {
        "c": (-250, 750),
        "b": (-1, 99_999),
        "a": (-30, 720),
    }
    assert await money.figures() == (720, 0)
