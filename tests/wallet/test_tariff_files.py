"""Tariffs come from CSV files and go back into them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sautikitd.database.pool import Database
from sautikitd.wallet.tariff_files import TariffReport, as_csv, import_tariffs, tariffs_of
from sautikitd.wallet.tariffs import rate_for
from wallet.scenery import add_workspace

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HEAD = "direction,prefix,destination,per_minute_minor,effective_from,effective_until"


async def put(
    database: Database, *lines: str, workspace_id: UUID | None = None, now: datetime = NOW
) -> TariffReport:
    async with database.transaction() as connection:
        return await import_tariffs(connection, [HEAD, *lines], workspace_id, now)


async def rate(database: Database, workspace_id: UUID, at: datetime) -> int:
    async with database.connection() as connection:
        found = await rate_for(connection, workspace_id, "outbound", "+254711000001", at)
    assert found
    return found.per_minute_minor


async def test_what_is_exported_is_imported_back_unchanged(database: Database) -> None:
    await put(database, "outbound,2547,Kenya mobile,280,2027-01-01,", "outbound,256,Uganda,1500,,2028-01-01")
    async with database.transaction() as connection:
        text = as_csv(await tariffs_of(connection, None))
        report = await import_tariffs(connection, text.splitlines(), None, NOW + timedelta(days=900))
    assert (report.added, report.changed, report.unchanged, report.problems) == (0, 0, 4, [])


async def test_a_price_comes_into_force_on_its_day_in_nairobi(database: Database) -> None:
    duka = await add_workspace(database, "Duka")
    await put(database, "outbound,2547,Kenya mobile,280,2027-01-01,")
    day = datetime(2026, 12, 31, 21, tzinfo=UTC)
    assert await rate(database, duka, day - timedelta(seconds=1)) == 300
    assert await rate(database, duka, day) == 280


async def test_a_workspace_has_prices_of_its_own(database: Database) -> None:
    duka, other = await add_workspace(database, "Duka"), await add_workspace(database, "Other")
    await put(database, "outbound,254,Kenya,250,,", workspace_id=duka)
    assert await rate(database, duka, NOW) == 250
    assert await rate(database, other, NOW) == 300


async def test_what_has_begun_is_never_changed_but_may_end(database: Database) -> None:
    await put(database, "outbound,256,Uganda,1500,2026-12-01,")
    changed = await put(database, "outbound,256,Uganda,1400,2026-12-01,")
    assert changed.changed == 1
    later = datetime(2026, 12, 5, tzinfo=UTC)
    refused = await put(database, "outbound,256,Uganda,1300,2026-12-01,", now=later)
    assert "in force" in refused.problems[0].problem
    ended = await put(database, "outbound,256,Uganda,1400,2026-12-01,2026-12-10", now=later)
    assert (ended.changed, ended.problems) == (1, [])


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("sideways,254,Kenya,300,,", "direction"),
        ("outbound,+254,Kenya,300,,", "prefix"),
        ("outbound,254,,300,,", "destination"),
        ("outbound,254,Kenya,3.00,,", "per_minute_minor"),
        ("outbound,254,Kenya,300,soon,", "effective_from"),
        ("outbound,254,Kenya,300,2020-02-01,", "over"),
        ("outbound,254,Kenya,300,2027-02-01,2027-01-01", "after"),
        ("outbound,254,Kenya", "values"),
    ],
)
async def test_one_wrong_line_and_nothing_is_imported(database: Database, line: str, word: str) -> None:
    report = await put(database, "outbound,255,Tanzania,1500,,", line)
    assert [problem.line for problem in report.problems] == [3]
    assert word in report.problems[0].problem
    async with database.connection() as connection:
        assert len(await tariffs_of(connection, None)) == 2
