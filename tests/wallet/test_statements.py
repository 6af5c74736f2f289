import csv
from datetime import timedelta

import pytest

from sautikitd.ids import uuid7
from sautikitd.wallet.models import Cause, Details, EntryType, StatementEntry
from sautikitd.wallet.statements import StatementFilters, statements, statements_csv
from wallet.scenery import CALL, Money, call

EVERYTHING = StatementFilters()


@pytest.fixture
async def busy(money: Money) -> Money:
    """A top-up, two calls a day apart, an adjustment whose reason looks like a formula."""
    await money.top_up(10_000)
    for _ in range(2):
        cause = call()
        async with money.database.transaction() as connection:
            await money.wallets.hold(connection, money.live, cause, 300)
            await money.wallets.settle(connection, cause, 100, CALL)
        money.clock.advance(86_400)
    async with money.database.transaction() as connection:
        adjustment = Cause(EntryType.ADJUSTMENT, "ticket 9")
        await money.wallets.adjust(connection, money.live, adjustment, 5, '=1+1, "goodwill"')
    return money


async def read(
    money: Money, filters: StatementFilters = EVERYTHING, limit: int = 100
) -> list[StatementEntry]:
    async with money.database.connection() as connection:
        return list(await statements(connection, money.live, filters, None, limit))


async def test_statements_run_from_the_newest_with_the_balance_after_each(busy: Money) -> None:
    entries = await read(busy)
    assert [(entry.type, entry.amount_minor, entry.balance_after_minor) for entry in entries] == [
        ("adjustment", 5, 9_805),
        ("call", -100, 9_800),
        ("call", -100, 9_900),
        ("top_up", 10_000, 10_000),
    ]
    assert entries[-1].created_at == "2026-11-23T09:00:00.000Z"
    assert {entry.currency for entry in entries} == {"KES"}


async def test_pages_join_without_gap_or_overlap(busy: Money) -> None:
    seen: list[StatementEntry] = []
    async with busy.database.connection() as connection:
        while batch := await statements(connection, busy.live, EVERYTHING, seen[-1].id if seen else None, 3):
            seen.extend(batch)
    assert seen == await read(busy)


async def test_a_strangers_entry_is_no_cursor(busy: Money) -> None:
    async with busy.database.connection() as connection:
        theirs = (await statements(connection, busy.test, EVERYTHING, None, 1))[0].id
        for after in (theirs, uuid7()):
            assert await statements(connection, busy.live, EVERYTHING, after, 10) == []


async def test_statements_are_filtered_by_type_and_time(busy: Money) -> None:
    calls = await read(busy, StatementFilters(type=EntryType.CALL))
    assert [entry.balance_after_minor for entry in calls] == [9_800, 9_900]
    now = busy.clock.now()
    day = timedelta(days=1)
    window = StatementFilters(created_after=now - day, created_before=now)
    assert [entry.balance_after_minor for entry in await read(busy, window)] == [9_800]


async def test_the_csv_has_every_entry_and_no_formula(busy: Money) -> None:
    text = b"".join([chunk async for chunk in statements_csv(busy.database, busy.live, EVERYTHING)]).decode()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["balance_after_minor"] for row in rows] == ["9805", "9800", "9900", "10000"]
    assert rows[0]["description"] == '\'=1+1, "goodwill"'


async def test_what_an_entry_is_about_stays_with_it(money: Money) -> None:
    await money.top_up(1_000)
    cause, number_id = call(), uuid7()
    details = Details(description="Call", reference="HD_000000000001", call_id=uuid7(), number_id=number_id)
    async with money.database.transaction() as connection:
        await money.wallets.hold(connection, money.live, cause, 300)
        settled = await money.wallets.settle(connection, cause, 1, details)
        ids = await money.wallets.entry_ids(connection, EntryType.CALL, [cause.id, "another"])
    entry = (await read(money))[0]
    assert settled
    assert ids == {cause.id: settled.id}
    assert (entry.id, entry.call_id, entry.number_id) == (settled.id, details.call_id, number_id)
    assert await read(money, StatementFilters(number_ids=frozenset({number_id}))) == [entry]
    assert await read(money, StatementFilters(number_ids=frozenset({uuid7()}))) == []
    assert (entry.topup_id, entry.reference) == (None, "HD_000000000001")
