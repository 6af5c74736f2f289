"""What the wallet really pays for a number claimed and released on any day of a leap and of a common year.

Worked out once more here, from the sentences of contract §3 and with no code of ours: days by counting, money in
fractions. The books of the database are compared, to the cent, net and VAT apart.
"""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil
from uuid import UUID

import pytest

from factories import Platform
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.principal import Principal
from sautikitd.ids import uuid7
from sautikitd.numbers.requests import ClaimNumber
from sautikitd.wallet.audit import audit

PRICE, VAT = 10_000, Fraction(16, 100)
EAT = timedelta(hours=3)


def days_of(year: int) -> list[date]:
    return [
        date(year, 1, 1) + timedelta(days=n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)
    ]


def last_of(day: date) -> date:
    """The last day of its month, found by walking on until the month changes."""
    return next(
        one for one, after in pairwise(day + timedelta(days=n) for n in range(33)) if one.month != after.month
    )


def rent(days: int, length: int) -> tuple[int, int]:
    net = ceil(Fraction(PRICE * days, length))
    return net, ceil(net * VAT)


def in_nairobi(day: date, hour: int, minute: int, second: int = 0) -> datetime:
    """That moment of a Nairobi day, in UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC) - EAT


@pytest.mark.timeout(600)
@pytest.mark.parametrize("year", [2027, 2028])
async def test_claims_and_releases_of_every_day_are_paid_and_given_back_to_the_cent(
    database: Database, year: int
) -> None:
    clock = ManualClock(in_nairobi(date(year, 1, 1), 0, 0))
    platform = await Platform.on(database, clock)
    duka = await platform.workspace()
    await platform.top_up(duka.id, 10**9)
    principal = Principal(id=uuid7(), workspace_id=duka.id, mode="live", scopes=frozenset("*"))
    wishes = [Wish(index, first) for index, first in enumerate(days_of(year))]
    await platform.inventory(*(one.e164 for one in wishes))
    numbers: dict[UUID, Wish] = {}
    moments = [(at, one) for one in wishes for at in (one.claimed_at, one.released_at)]
    for at, wish in sorted(moments, key=lambda one: one[0]):
        clock.advance((at - clock.now()).total_seconds())
        async with database.transaction() as connection:
            if at == wish.claimed_at:
                asked = ClaimNumber(e164=wish.e164)
                number = await platform.claims.claim(connection, principal, asked, OPERATOR, at)
                numbers[number.id] = wish
            else:
                (number_id,) = [id_ for id_, one in numbers.items() if one is wish]
                await platform.releases.release(connection, principal, number_id, OPERATOR, at)
    async with database.connection() as connection:
        booked = {row["number_id"]: tuple(row)[1:] for row in await connection.fetch(_BOOKED, duka.id)}
        assert await audit(connection) == []
    assert booked == {number_id: wish.expected for number_id, wish in numbers.items()}
    kept = sum(net + vat - net_back - vat_back for net, vat, net_back, vat_back in booked.values())
    assert await platform.balance(duka.id) == 10**9 - kept


class Wish:
    """A number claimed in the first second of a day and released in the last of another of its month, in Nairobi: a
    clock in UTC would date the first a day too early."""

    def __init__(self, index: int, first: date) -> None:
        last = last_of(first)
        used = 1 + index * 7 % ((last - first).days + 1)
        self.e164 = f"+25420{5_000_000 + index}"
        self.claimed_at = in_nairobi(first, 0, 0)
        self.released_at = in_nairobi(first + timedelta(days=used - 1), 23, 59, 59)
        charged, kept = rent((last - first).days + 1, last.day), rent(used, last.day)
        self.expected = (*charged, charged[0] - kept[0], charged[1] - kept[1])


# Of each number: net and VAT charged, net and VAT given back.
_BOOKED = """
SELECT number_id,
       coalesce(sum(e.amount_minor) FILTER (WHERE t.cause_kind = 'rental' AND account = 'revenue.rentals'), 0)::bigint,
       coalesce(sum(e.amount_minor) FILTER (WHERE t.cause_kind = 'rental' AND account = 'vat_payable'), 0)::bigint,
       coalesce(-sum(e.amount_minor) FILTER (WHERE t.cause_kind = 'refund' AND account = 'revenue.rentals'), 0)::bigint,
       coalesce(-sum(e.amount_minor) FILTER (WHERE t.cause_kind = 'refund' AND account = 'vat_payable'), 0)::bigint
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
WHERE t.workspace_id = $1 AND t.number_id IS NOT NULL GROUP BY number_id
"""
