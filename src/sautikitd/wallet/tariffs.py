"""Prices and taxes in force: what a minute, a number and a shilling of VAT cost at a moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection
from sautikitd.timestamps import rfc3339
from sautikitd.wallet.money import CURRENCY, Minor

Direction = Literal["inbound", "outbound", "sip", "browser", "stream"]
"""The last three are legs to devices and to the WebSockets of streams, which are free where no tariff has them."""

Tax = Literal["inclusive", "exclusive"]

# The workspace's own tariff wins over the platform's whatever its prefix; the second half runs only if the first finds nothing.
_RATE = """
(SELECT id AS tariff_id, prefix, destination, per_minute_minor FROM tariffs
 WHERE workspace_id = $1 AND direction = $2 AND prefix = ANY ($3::text[])
   AND effective_from <= $4 AND (effective_until IS NULL OR effective_until > $4)
 ORDER BY length(prefix) DESC, effective_from DESC LIMIT 1)
UNION ALL
(SELECT id, prefix, destination, per_minute_minor FROM tariffs
 WHERE workspace_id IS NULL AND direction = $2 AND prefix = ANY ($3::text[])
   AND effective_from <= $4 AND (effective_until IS NULL OR effective_until > $4)
 ORDER BY length(prefix) DESC, effective_from DESC LIMIT 1)
LIMIT 1
"""

_VAT = """
SELECT basis_points FROM taxes WHERE name = 'VAT' AND effective_from <= $1 ORDER BY effective_from DESC LIMIT 1
"""

_LIST_PRICES = """
SELECT DISTINCT ON (item) item, value, effective_from FROM list_prices WHERE effective_from <= $1
ORDER BY item, effective_from DESC
"""

_PLATFORM_RATES = """
SELECT DISTINCT ON (direction, prefix) direction, prefix, destination, per_minute_minor, effective_from FROM tariffs
WHERE workspace_id IS NULL AND effective_from <= $1 AND (effective_until IS NULL OR effective_until > $1)
ORDER BY direction DESC, prefix, effective_from DESC
"""

_VAT_SINCE = "SELECT max(effective_from) FROM taxes WHERE name = 'VAT' AND effective_from <= $1"


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one minute, VAT included (contract §4.6). Frozen on a call when it is made."""

    tariff_id: UUID
    prefix: str
    destination: str
    per_minute_minor: Minor
    tax: Tax = "inclusive"


class ListedRate(msgspec.Struct, frozen=True, kw_only=True):
    direction: Direction
    prefix: str
    destination: str
    per_minute_minor: Minor
    tax: Tax


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's published prices (§7). Rentals before VAT, minutes with it; `updated_at`: the latest change in force."""

    currency: str
    number_monthly_minor: Minor
    outbound_per_min_minor: Minor
    inbound_per_min_minor: Minor
    recording_free_gb: int
    vat_basis_points: int
    rates: Sequence[ListedRate]
    updated_at: str


class PriceMissing(Exception):
    """The price list lacks a row the platform cannot do without: add one with an `effective_from` in the past."""


async def rate_for(
    connection: Connection, workspace_id: UUID, direction: Direction, e164: str, at: datetime
) -> Rate | None:
    """The rate of the longest prefix of `e164` (the far number) in the workspace's own tariff, else in the platform's.

    None when neither knows the destination: such a call is refused.
    """
    row = await connection.fetchrow(_RATE, workspace_id, direction, _prefixes(e164), at)
    return None if row is None else Rate(**dict(row))


def asked_rate(workspace_id: UUID, direction: Direction, e164: str, at: datetime) -> Question[Rate]:
    """The same, to be asked with others."""
    return Question(sql=_RATE, arguments=(workspace_id, direction, _prefixes(e164), at), kind=Rate)


def _prefixes(e164: str) -> list[str]:
    digits = e164.removeprefix("+")
    return [digits[:length] for length in range(min(len(digits), 15) + 1)]


async def vat_basis_points(connection: Connection, at: datetime) -> int:
    """The VAT rate in force: 1600 is 16 %."""
    basis_points: int | None = await connection.fetchval(_VAT, at)
    if basis_points is None:
        raise PriceMissing(f"taxes has no VAT rate in force at {at}")
    return basis_points


async def number_monthly_price(connection: Connection, at: datetime) -> Minor:
    """The listed rental of a number, before VAT. An inventory row may carry a price of its own."""
    for row in await connection.fetch(_LIST_PRICES, at):
        if row["item"] == "number_monthly_minor":
            return Minor(row["value"])
    raise PriceMissing(f"list_prices has no number_monthly_minor in force at {at}")


async def price_list(connection: Connection, at: datetime) -> PriceList:
    items = await connection.fetch(_LIST_PRICES, at)
    rows = await connection.fetch(_PLATFORM_RATES, at)
    vat = await vat_basis_points(connection, at)
    changes = [row["effective_from"] for row in (*items, *rows)]
    changes.append(await connection.fetchval(_VAT_SINCE, at))
    prices = {row["item"]: row["value"] for row in items}
    rates = [
        ListedRate(
            direction=row["direction"],
            prefix=row["prefix"],
            destination=row["destination"],
            per_minute_minor=row["per_minute_minor"],
            tax="inclusive",
        )
        for row in rows
    ]
    return PriceList(
        currency=CURRENCY,
        number_monthly_minor=prices["number_monthly_minor"],
        outbound_per_min_minor=_headline(rates, "outbound", "254"),
        inbound_per_min_minor=_headline(rates, "inbound", ""),
        recording_free_gb=prices["recording_free_gb"],
        vat_basis_points=vat,
        rates=rates,
        updated_at=rfc3339(max(changes)),
    )


def _headline(rates: Sequence[ListedRate], direction: Direction, prefix: str) -> Minor:
    for rate in rates:
        if (rate.direction, rate.prefix) == (direction, prefix):
            return rate.per_minute_minor
    raise PriceMissing(f"the platform's tariff has no {direction} rate for prefix '{prefix}'")
