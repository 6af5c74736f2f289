"""Months of rentals on a real database: every month is charged once, whatever happens in between."""

import asyncio
import random
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any
from uuid import UUID

import pytest

from factories import Platform
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.log import EventLog
from sautikitd.identity.workspaces import Workspace
from sautikitd.mail.notices import OwnerNotices
from sautikitd.numbers.renewals import RentalRenewals
from sautikitd.numbers.rental_rules import rental_due, status_unpaid
from sautikitd.wallet.audit import audit

FULL = 11_600


@pytest.fixture
def renewals(platform: Platform) -> RentalRenewals:
    return RentalRenewals(platform.wallets, EventLog(), platform.releases, platform.clock)


async def facts(database: Database, number_id: UUID) -> tuple[str, date, int, list[str]]:
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM numbers WHERE id = $1", number_id)
        kinds = await connection.fetch("SELECT kind FROM events WHERE number_id = $1 ORDER BY id", number_id)
    return row["status"], row["paid_through"], row["due_minor"], [one["kind"] for one in kinds]


async def rentals(database: Database) -> list[tuple[str, int]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT cause_id, e.amount_minor FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id"
            " AND e.line = 0 WHERE cause_kind = 'rental' ORDER BY cause_id"
        )
    return [(row["cause_id"][37:], -row["amount_minor"]) for row in rows]


async def books_are_right(database: Database) -> None:
    async with database.connection() as connection:
        assert await audit(connection) == []


def set_clock(platform: Platform, moment: datetime) -> None:
    assert isinstance(platform.clock, ManualClock)
    platform.clock.advance((moment - platform.clock.now()).total_seconds())


async def test_the_month_is_charged_on_the_first_in_nairobi(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    number = await platform.number(duka.id)
    set_clock(platform, datetime(2026, 11, 30, 20, 59, tzinfo=UTC))
    assert await renewals.run_due(database) == 0
    set_clock(platform, datetime(2026, 11, 30, 21, 0, tzinfo=UTC))
    assert await renewals.run_due(database) == 1
    assert await renewals.run_due(database) == 0
    status, paid_through, _, kinds = await facts(database, number.id)
    assert (status, paid_through) == ("active", date(2026, 12, 31))
    assert kinds == ["number.provisioned", "number.renewed"]
    assert await rentals(database) == [("2026-11", 2_667 + 427), ("2026-12", FULL)]


async def test_one_mail_sums_up_what_a_run_renewed(
    platform: Platform, duka: Workspace, database: Database
) -> None:
    notices = OwnerNotices(platform.clock)
    renewals = RentalRenewals(platform.wallets, EventLog(), platform.releases, platform.clock, notices)
    numbers = [await platform.number(duka.id), await platform.number(duka.id, e164="+254200000002")]
    set_clock(platform, datetime(2026, 11, 30, 21, 0, tzinfo=UTC))
    assert await renewals.run_due(database) == 2
    assert await renewals.run_due(database) == 0
    async with database.connection() as connection:
        (mail,) = await connection.fetch("SELECT subject, plain FROM mails")
    assert mail["subject"] == "[Test] The rental of 2 numbers has been renewed"
    assert all(number.e164 in mail["plain"] for number in numbers)
    assert "31 December 2026" in mail["plain"]


async def test_a_number_nobody_pays_for_falls_due_is_suspended_and_given_up(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    await platform.inventory("+254205000001")
    await platform.top_up(duka.id, 3_094)
    number = await platform.number(duka.id, "+254205000001", "live")
    seen = {}
    for day in range(1, 32):
        set_clock(platform, datetime(2026, 12, day, 3, tzinfo=UTC))
        await renewals.run_due(database)
        seen[day] = (await facts(database, number.id))[0]
    assert {day for day, status in seen.items() if status == "past_due"} == set(range(1, 8))
    assert {day for day, status in seen.items() if status == "suspended"} == set(range(8, 31))
    assert seen[31] == "released"
    kinds = (await facts(database, number.id))[3]
    assert kinds[1:] == ["number.past_due", "number.suspended", "number.released"]
    assert await platform.balance(duka.id) == 0
    await books_are_right(database)


async def test_money_that_comes_is_taken_at_once_for_the_whole_month_while_past_due(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    await platform.inventory("+254205000001")
    await platform.top_up(duka.id, 3_094)
    number = await platform.number(duka.id, "+254205000001", "live")
    set_clock(platform, datetime(2026, 12, 5, tzinfo=UTC))
    await renewals.run_due(database)
    assert (await facts(database, number.id))[2] == FULL
    await platform.top_up(duka.id, FULL - 1)
    assert await renewals.run_due(database) == 0
    await platform.top_up(duka.id, 1)
    assert await renewals.run_due(database) == 1
    assert (await facts(database, number.id))[:3] == ("active", date(2026, 12, 31), 0)
    assert (await rentals(database))[-1] == ("2026-12", FULL)


async def test_from_suspension_only_the_days_left_are_owed(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    await platform.inventory("+254205000001")
    await platform.top_up(duka.id, 3_094)
    number = await platform.number(duka.id, "+254205000001", "live")
    for day in (1, 8, 21):
        set_clock(platform, datetime(2026, 12, day, 6, tzinfo=UTC))
        await renewals.run_due(database)
    net = ceil(Fraction(10_000 * 11, 31))
    due = net + ceil(net * Fraction(16, 100))
    assert (await facts(database, number.id))[2] == due
    await platform.top_up(duka.id, due)
    await renewals.run_due(database)
    assert (await facts(database, number.id))[:2] == ("active", date(2026, 12, 31))
    assert await platform.balance(duka.id) == 0


async def test_three_years_are_thirty_seven_charges(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    await platform.inventory("+254205000001")
    await platform.top_up(duka.id, 50 * FULL)
    number = await platform.number(duka.id, "+254205000001", "live")
    wanted = [("2026-11", 3_094)]
    for month in (date(2026 + n // 12, n % 12 + 1, 1) for n in range(11, 11 + 36)):
        set_clock(platform, datetime(month.year, month.month, 1, tzinfo=UTC))
        await asyncio.gather(*(renewals.run_due(database) for _ in range(2)))
        wanted.append((f"{month:%Y-%m}", FULL))
    assert await rentals(database) == wanted
    last = date(2029, 11, monthrange(2029, 11)[1])
    assert (await facts(database, number.id))[:2] == ("active", last)
    assert await platform.balance(duka.id) == 50 * FULL - sum(amount for _, amount in wanted)
    await books_are_right(database)


async def test_an_outage_of_months_charges_each_of_them(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    await platform.number(duka.id)
    set_clock(platform, datetime(2027, 2, 10, tzinfo=UTC))
    await asyncio.gather(*(renewals.run_due(database) for _ in range(4)))
    months = [month for month, _ in await rentals(database)]
    assert months == ["2026-11", "2026-12", "2027-01", "2027-02"]


class Crash(Exception):
    """The process is gone."""


class CrashingConnection:
    """Passes everything on, until the statement it dies at."""

    def __init__(self, connection: Connection, countdown: Iterator[int]) -> None:
        self._connection = connection
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("execute", "fetch", "fetchrow", "fetchval"):
            return found

        async def counted(*arguments: Any) -> Any:
            if next(self._countdown) == 0:
                raise Crash
            return await found(*arguments)

        return counted


class CrashingDatabase:
    def __init__(self, database: Database, statements: int) -> None:
        self._database = database
        self._countdown = iter(range(statements, -1, -1))

    def connection(self) -> Any:
        return self._database.connection()

    def transaction(self) -> Any:
        return _Dying(self._database.transaction(), self._countdown)


class _Dying:
    def __init__(self, transaction: Any, countdown: Iterator[int]) -> None:
        self._transaction = transaction
        self._countdown = countdown

    async def __aenter__(self) -> Any:
        return CrashingConnection(await self._transaction.__aenter__(), self._countdown)

    async def __aexit__(self, *exc: Any) -> Any:
        return await self._transaction.__aexit__(*exc)


async def test_a_crash_between_any_two_statements_neither_loses_nor_doubles_a_month(
    platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    await platform.inventory(*(f"+25420500000{n}" for n in range(1, 4)))
    await platform.top_up(duka.id, 2 * FULL + 3 * 3_094)  # so one of the three falls behind
    numbers = [await platform.number(duka.id, f"+25420500000{n}", "live") for n in range(1, 4)]
    set_clock(platform, datetime(2026, 12, 1, tzinfo=UTC))
    crashes = 0
    for statements in range(60):
        try:
            await renewals.run_due(CrashingDatabase(database, statements))  # type: ignore[arg-type]
        except Crash:
            crashes += 1
        await books_are_right(database)
    assert crashes > 10
    states = sorted([(await facts(database, number.id))[0] for number in numbers])
    assert states == ["active", "active", "past_due"]
    assert [month for month, _ in await rentals(database)].count("2026-12") == 2
    kinds = [(await facts(database, number.id))[3] for number in numbers]
    assert sorted(len(one) for one in kinds) == [2, 2, 2]


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_every_month_is_charged_once_and_the_books_are_right(
    seed: int, platform: Platform, duka: Workspace, renewals: RentalRenewals, database: Database
) -> None:
    chance = random.Random(seed)
    e164s = [f"+25420500000{n}" for n in range(1, 5)]
    await platform.inventory(*e164s)
    await platform.top_up(duka.id, 20_000)
    for e164 in e164s:
        await platform.number(duka.id, e164, "live")
    for _ in range(60):
        set_clock(platform, platform.clock.now() + timedelta(days=chance.randint(1, 9)))
        if chance.random() < 0.4:
            await platform.top_up(duka.id, chance.randint(1, 40_000))
        dying = CrashingDatabase(database, chance.randint(0, 12))
        doing: list[Any] = [renewals.run_due(dying), renewals.run_due(database)]  # type: ignore[arg-type]
        outcomes = await asyncio.gather(*doing, return_exceptions=True)
        assert all(not isinstance(one, BaseException) or isinstance(one, Crash) for one in outcomes), outcomes
        await renewals.run_due(database)
    await books_are_right(database)
    async with database.connection() as connection:
        twice = await connection.fetch(
            "SELECT cause_id FROM ledger_transactions WHERE cause_kind = 'rental' GROUP BY 1 HAVING count(*) > 1"
        )
        told = await connection.fetchval("SELECT count(*) FROM events WHERE kind = 'number.renewed'")
        charged = await connection.fetchval(
            "SELECT count(*) FROM ledger_transactions WHERE cause_kind = 'rental'"
        )
        assert not twice
        assert charged == told + 4
        assert await connection.fetchval("SELECT min(balance_minor) FROM wallets") >= 0


async def test_every_day_of_leap_and_common_years_costs_what_fractions_say(
    platform: Platform, duka: Workspace
) -> None:
    number = await platform.number(duka.id)
    for ordinal in range(date(2027, 1, 1).toordinal(), date(2029, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        length = monthrange(day.year, day.month)[1]
        net = ceil(Fraction(number.monthly_price_minor * (length - day.day + 1), length))
        rental = rental_due(number, day, 1_600)
        assert (rental.charge.net, rental.charge.vat) == (net, ceil(net * Fraction(16, 100)))


async def test_a_paid_number_stands_past_due_at_first(platform: Platform, duka: Workspace) -> None:
    number = await platform.number(duka.id)
    assert status_unpaid(number, date(2026, 12, 1)) == "past_due"
