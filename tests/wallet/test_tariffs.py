from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.wallet import tariffs
from wallet.scenery import Money

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


async def add_tariff(
    connection: Connection,
    prefix: str,
    price: int,
    *,
    workspace: UUID | None = None,
    since: datetime = NOW - timedelta(days=1),
    until: datetime | None = None,
) -> None:
    await connection.execute(
        "INSERT INTO tariffs (id, workspace_id, direction, prefix, destination, per_minute_minor, effective_from,"
        " effective_until) VALUES ($1, $2, 'outbound', $3, $3, $4, $5, $6)",
        uuid7(),
        workspace,
        prefix,
        price,
        since,
        until,
    )


async def price(connection: Connection, workspace: UUID, e164: str, at: datetime = NOW) -> int | None:
    rate = await tariffs.rate_for(connection, workspace, "outbound", e164, at)
    return rate.per_minute_minor if rate else None


async def test_the_published_prices_are_the_default(money: Money) -> None:
    async with money.database.connection() as connection:
        kenya = await tariffs.rate_for(connection, money.live.workspace_id, "outbound", "+254712345678", NOW)
        inbound = await tariffs.rate_for(connection, money.live.workspace_id, "inbound", "+14155550100", NOW)
        monthly = await tariffs.number_monthly_price(connection, NOW)
        vat = await tariffs.vat_basis_points(connection, NOW)
    assert kenya
    assert (kenya.per_minute_minor, kenya.destination, kenya.tax) == (300, "Kenya", "inclusive")
    assert inbound
    assert inbound.per_minute_minor == 0
    assert (monthly, vat) == (10_000, 1600)


async def test_a_destination_without_a_tariff_has_no_rate(money: Money) -> None:
    async with money.database.connection() as connection:
        assert await price(connection, money.live.workspace_id, "+14155550100") is None


async def test_the_longest_prefix_wins_and_the_workspace_goes_before_the_platform(money: Money) -> None:
    workspace = money.live.workspace_id
    async with money.database.connection() as connection:
        await add_tariff(connection, "25471", 250)
        assert await price(connection, workspace, "+254712345678") == 250
        assert await price(connection, workspace, "+254202345678") == 300
        await add_tariff(connection, "254", 200, workspace=workspace)
        assert await price(connection, workspace, "+254712345678") == 200
        assert await price(connection, uuid7(), "+254712345678") == 250


async def test_tariffs_hold_from_their_first_moment_until_their_last(money: Money) -> None:
    workspace = money.live.workspace_id
    tomorrow = NOW + timedelta(days=1)
    async with money.database.connection() as connection:
        await add_tariff(connection, "2547", 100, since=NOW, until=tomorrow)
        await add_tariff(connection, "254", 400, since=tomorrow)
        moments = (NOW - timedelta(microseconds=1), NOW, tomorrow - timedelta(microseconds=1), tomorrow)
        found = [await price(connection, workspace, "+254712345678", at) for at in moments]
    assert found == [300, 100, 100, 400]


async def test_the_price_list_is_the_platforms_own(money: Money) -> None:
    async with money.database.connection() as connection:
        await add_tariff(connection, "254", 1, workspace=money.live.workspace_id)
        await add_tariff(connection, "256", 900)
        listed = await tariffs.price_list(connection, NOW)
    assert (listed.number_monthly_minor, listed.outbound_per_min_minor, listed.inbound_per_min_minor) == (
        10_000,
        300,
        0,
    )
    assert [(rate.prefix, rate.per_minute_minor) for rate in listed.rates] == [
        ("254", 300),
        ("256", 900),
        ("", 0),
    ]
    assert listed.updated_at == "2026-11-22T09:00:00.000Z"


async def test_a_missing_tax_is_a_fault_not_zero(money: Money) -> None:
    async with money.database.connection() as connection:
        with pytest.raises(tariffs.PriceMissing, match="VAT"):
            await tariffs.vat_basis_points(connection, datetime(1999, 1, 1, tzinfo=UTC))
