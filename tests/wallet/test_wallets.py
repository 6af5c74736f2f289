from datetime import UTC, datetime
from uuid import UUID

import pytest

from sautikitd.wallet.errors import CauseReused, InsufficientFunds, InvalidAmount, NoWallet
from sautikitd.wallet.models import Account, Cause, Details, EntryType, LedgerAccount, Line
from sautikitd.wallet.money import Minor, written
from wallet.scenery import Money

STRANGER = UUID(int=7)
RENTAL = Details(description="Rental of +254200000001, November 2026", tax_basis_points=1600)
LINES = [Line(LedgerAccount.REVENUE_RENTALS, Minor(2667)), Line(LedgerAccount.VAT_PAYABLE, Minor(427))]


def rental(month: str = "2026-11") -> Cause:
    return Cause(EntryType.RENTAL, f"a number/{month}")


async def test_a_new_workspace_has_nothing_live_and_a_thousand_shillings_to_test_with(money: Money) -> None:
    async with money.database.transaction() as connection:
        await money.wallets.open_wallets(connection, money.live.workspace_id)
        live = await money.wallets.balance(connection, money.live)
        test = await money.wallets.balance(connection, money.test)
    assert (live.balance_minor, test.balance_minor, test.currency) == (0, 100_000, "KES")
    assert live.low_balance_threshold_minor == 10_000


async def test_a_charge_is_shared_between_revenue_and_vat(money: Money) -> None:
    await money.top_up(10_000)
    async with money.database.transaction() as connection:
        entry = await money.wallets.charge(connection, money.live, rental(), LINES, RENTAL)
        books = await connection.fetch(
            "SELECT account, amount_minor FROM ledger_entries WHERE transaction_id = $1 ORDER BY line",
            entry.id,
        )
    assert (entry.amount_minor, entry.balance_after_minor) == (-3094, 6906)
    assert [tuple(row) for row in books] == [
        ("wallet", -3094),
        ("revenue.rentals", 2667),
        ("vat_payable", 427),
    ]


async def test_a_charge_the_wallet_cannot_bear_changes_nothing(money: Money) -> None:
    await money.top_up(3_093)
    async with money.database.transaction() as connection:
        with pytest.raises(InsufficientFunds) as refused:
            await money.wallets.charge(connection, money.live, rental(), LINES, RENTAL)
    assert refused.value.status == 402
    assert "KES 30.94" in refused.value.text
    assert "KES 30.93" in refused.value.text
    assert await money.figures() == (3_093, 0)


async def test_the_same_cause_charges_once(money: Money) -> None:
    await money.top_up(10_000)
    async with money.database.transaction() as connection:
        first = await money.wallets.charge(connection, money.live, rental(), LINES, RENTAL)
        again = await money.wallets.charge(connection, money.live, rental(), LINES, RENTAL)
        with pytest.raises(CauseReused):
            await money.wallets.charge(connection, money.live, rental(), LINES[:1], RENTAL)
        with pytest.raises(CauseReused):
            await money.wallets.charge(connection, money.test, rental(), LINES, RENTAL)
    assert first == again
    assert await money.figures() == (6_906, 0)


async def test_a_refund_comes_out_of_the_accounts_it_names(money: Money) -> None:
    await money.top_up(5_000)
    async with money.database.transaction() as connection:
        cause = Cause(EntryType.REFUND, "a number/2026-11")
        lines = [Line(LedgerAccount.REFUNDS, Minor(100)), Line(LedgerAccount.VAT_PAYABLE, Minor(0))]
        entry = await money.wallets.refund(
            connection, money.live, cause, lines, Details(description="Refund")
        )
        books = await connection.fetch(
            "SELECT account, amount_minor FROM ledger_entries WHERE transaction_id = $1 ORDER BY line",
            entry.id,
        )
    assert [tuple(row) for row in books] == [("wallet", 100), ("refunds", -100)]
    assert entry.balance_after_minor == 5_100


async def test_only_staff_take_a_wallet_below_zero_and_then_it_pays_for_nothing(money: Money) -> None:
    async with money.database.transaction() as connection:
        cause = Cause(EntryType.ADJUSTMENT, "ticket 7")
        entry = await money.wallets.adjust(connection, money.live, cause, -500, "Chargeback agreed by phone")
        assert entry.balance_after_minor == -500
        with pytest.raises(InsufficientFunds):
            await money.wallets.check_funds(connection, money.live, 0)
        with pytest.raises(InsufficientFunds):
            await money.wallets.charge(connection, money.live, rental(), LINES, RENTAL)
    await money.top_up(500)
    async with money.database.transaction() as connection:
        await money.wallets.check_funds(connection, money.live, 0)
        with pytest.raises(InsufficientFunds):
            await money.wallets.check_funds(connection, money.live, 1)


async def test_nothing_is_no_entry(money: Money) -> None:
    async with money.database.transaction() as connection:
        with pytest.raises(ValueError, match="no entry"):
            await money.wallets.adjust(connection, money.live, Cause(EntryType.ADJUSTMENT, "x"), 0, "Nothing")


async def test_a_wallet_that_was_never_opened_is_named(money: Money) -> None:
    stranger = Account(STRANGER, "live")
    async with money.database.transaction() as connection:
        with pytest.raises(NoWallet, match=str(STRANGER)):
            await money.wallets.balance(connection, stranger)


async def test_low_balance_is_told_once_per_fall_and_armed_again_above(money: Money) -> None:
    await money.top_up(15_000)
    for number, amount in enumerate((-5_000, -1, -1, 3, -10, 20_000, -30_000)):
        async with money.database.transaction() as connection:
            cause = Cause(EntryType.ADJUSTMENT, f"step {number}")
            await money.wallets.adjust(connection, money.live, cause, amount, "Step")
    low = [event for event in money.recorded.events if event.kind == "wallet.low_balance"]
    # 10,000 is not below the threshold; 9,999 is; 10,001 arms again.
    assert [event.data["balance_minor"] for event in low] == [9_999, 9_991, -9]
    assert low[0].data == {"balance_minor": 9_999, "threshold_minor": 10_000, "currency": "KES"}
    assert (low[0].workspace_id, low[0].mode) == (money.live.workspace_id, "live")


async def test_low_balance_is_of_the_moment_of_what_took_the_money(money: Money) -> None:
    await money.top_up(15_000)
    moments = [datetime(2027, month, 1, 6, tzinfo=UTC) for month in (3, 4)]
    async with money.database.transaction() as connection:
        lines = [Line(LedgerAccount.REVENUE_RENTALS, Minor(6_000))]
        cause = Cause(EntryType.RENTAL, "a number/2027-03")
        await money.wallets.charge(connection, money.live, cause, lines, RENTAL, at=moments[0])
        await money.wallets.set_threshold(connection, money.live, 5_000)
        await money.wallets.set_threshold(connection, money.live, 20_000, moments[1])
    low = [event for event in money.recorded.events if event.kind == "wallet.low_balance"]
    assert [event.occurred_at for event in low] == moments


async def test_a_threshold_set_above_the_balance_tells_at_once_and_only_once(money: Money) -> None:
    await money.top_up(15_000)
    for threshold in (20_000, 30_000, 5_000, 15_000):
        async with money.database.transaction() as connection:
            await money.wallets.set_threshold(connection, money.live, threshold)
    assert [event.data["threshold_minor"] for event in money.recorded.events] == [20_000]


async def test_a_negative_threshold_is_refused(money: Money) -> None:
    async with money.database.transaction() as connection:
        with pytest.raises(InvalidAmount) as refused:
            await money.wallets.set_threshold(connection, money.live, -1)
    assert refused.value.fields[0].pointer == "/threshold_minor"


async def test_refilling_brings_the_test_wallet_back_to_a_thousand_shillings(money: Money) -> None:
    async with money.database.transaction() as connection:
        cause = Cause(EntryType.ADJUSTMENT, "spent")
        await money.wallets.adjust(connection, money.test, cause, -98_765, "Spent")
        refilled = await money.wallets.refill_test_wallet(connection, money.test.workspace_id)
        again = await money.wallets.refill_test_wallet(connection, money.test.workspace_id)
    assert refilled.balance_minor == again.balance_minor == 100_000


async def test_a_refill_is_dated_by_the_clock_of_test_mode(money: Money) -> None:
    moved = datetime(2029, 2, 28, 23, 0, tzinfo=UTC)
    async with money.database.transaction() as connection:
        cause = Cause(EntryType.ADJUSTMENT, "spent")
        await money.wallets.adjust(connection, money.test, cause, -1, "Spent")
        await money.wallets.refill_test_wallet(connection, money.test.workspace_id, moved)
        newest = await connection.fetchval("SELECT max(created_at) FROM ledger_transactions")
    assert newest == moved


def test_money_is_written_for_people() -> None:
    assert [written(amount) for amount in (0, 5, 123_405, -300)] == [
        "KES 0.00",
        "KES 0.05",
        "KES 1,234.05",
        "-KES 3.00",
    ]
