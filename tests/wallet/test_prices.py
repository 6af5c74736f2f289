from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.wallet import prices
from sautikitd.wallet.money import Minor
from sautikitd.wallet.prices import Charge

MONEY = st.integers(0, 10**9)
BASIS_POINTS = st.integers(0, 10_000)


def every_day(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


def length_of_month(day: date) -> int:
    """Without the calendar module: count the days until the month changes."""
    first = day.replace(day=1)
    return next(n for n in range(28, 32) if (first + timedelta(days=n)).month != day.month)


def expected(price: int, days: int, length: int, basis_points: int) -> tuple[int, int]:
    net = ceil(Fraction(price) * days / length)
    return net, ceil(Fraction(net) * basis_points / 10_000)


@settings(deadline=None)
@given(seconds=st.integers(0, 10**7), rate=MONEY)
def test_a_call_costs_its_seconds_rounded_up_once(seconds: int, rate: int) -> None:
    assert prices.call_cost(seconds, rate) == ceil(Fraction(seconds) * rate / 60)


@pytest.mark.parametrize(
    ("seconds", "rate", "cost"), [(0, 300, 0), (1, 300, 5), (61, 300, 305), (1, 1, 1), (59, 1, 1), (61, 1, 2)]
)
def test_calls_cost_what_one_works_out_by_hand(seconds: int, rate: int, cost: int) -> None:
    assert prices.call_cost(seconds, rate) == cost


@pytest.mark.parametrize("year", [2023, 2024, 2100, 2400])
@pytest.mark.parametrize(
    ("price", "basis_points"), [(10_000, 1600), (9_999, 1600), (1, 1), (12_345, 0), (7, 10_000)]
)
def test_rentals_and_refunds_of_every_stretch_of_a_year(year: int, price: int, basis_points: int) -> None:
    for first in every_day(year):
        length = length_of_month(first)
        charged = prices.rental_from(first, price, basis_points)
        assert (charged.net, charged.vat) == expected(price, length - first.day + 1, length, basis_points)
        for day in range(first.day, length + 1):
            back = prices.rental_refund(charged, first, first.replace(day=day), price, basis_points)
            net, vat = expected(price, day - first.day + 1, length, basis_points)
            assert (back.net + net, back.vat + vat) == (charged.net, charged.vat)
            assert back.net >= 0
            assert back.vat >= 0
        assert back == Charge(Minor(0), Minor(0))


@settings(deadline=None)
@given(price=MONEY, basis_points=BASIS_POINTS, first=st.dates(), data=st.data())
def test_what_a_release_leaves_paid_is_the_price_of_the_days_used(
    price: int, basis_points: int, first: date, data: st.DataObject
) -> None:
    length = length_of_month(first) if first.year < 9999 else prices.days_in_month(first)
    last = first.replace(day=data.draw(st.integers(first.day, length)))
    charged = prices.rental_from(first, price, basis_points)
    back = prices.rental_refund(charged, first, last, price, basis_points)
    used = expected(price, last.day - first.day + 1, length, basis_points)
    assert (charged.net - back.net, charged.vat - back.vat) == used


def test_a_rental_from_the_first_is_the_whole_month() -> None:
    for month in range(1, 13):
        assert prices.rental_from(date(2024, month, 1), 10_000, 1600) == Charge(Minor(10_000), Minor(1_600))


@settings(deadline=None)
@given(gross=MONEY, basis_points=BASIS_POINTS)
def test_vat_inside_a_total_is_rounded_half_up(gross: int, basis_points: int) -> None:
    exact = Fraction(gross * basis_points, 10_000 + basis_points)
    assert prices.vat_included(gross, basis_points) == int(exact + Fraction(1, 2))


def test_vat_inside_a_hundred_and_sixteen_shillings_is_sixteen() -> None:
    assert prices.vat_included(11_600, 1600) == 1_600


@settings(deadline=None)
@given(available=st.integers(-(10**9), 10**9), rate=st.integers(1, 10**6))
def test_affordable_seconds_are_the_most_that_can_be_held(available: int, rate: int) -> None:
    seconds = prices.affordable_seconds(available, rate)
    assert seconds is not None
    assert prices.hold_amount(seconds, rate) <= max(available, 0) < prices.hold_amount(seconds + 1, rate)


def test_time_at_no_price_is_unlimited() -> None:
    assert prices.affordable_seconds(0, 0) is None


def test_a_day_begins_at_midnight_in_nairobi() -> None:
    assert prices.nairobi_day(datetime(2026, 11, 30, 20, 59, tzinfo=UTC)) == date(2026, 11, 30)
    assert prices.nairobi_day(datetime(2026, 11, 30, 21, 0, tzinfo=UTC)) == date(2026, 12, 1)


def test_the_last_day_of_february_depends_on_the_year() -> None:
    assert [prices.last_day_of_month(date(y, 2, 5)).day for y in (2023, 2024, 2100, 2400)] == [28, 29, 28, 29]


@pytest.mark.parametrize("arguments", [(10_000, 32, 31), (-1, 1, 31), (10_000, -1, 31)])
def test_impossible_stretches_are_faults(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not"):
        prices.prorated(*arguments)


def test_a_refund_across_months_is_a_fault() -> None:
    charged = prices.rental_from(date(2026, 11, 20), 10_000, 1600)
    with pytest.raises(ValueError, match="one month"):
        prices.rental_refund(charged, date(2026, 11, 20), date(2026, 12, 1), 10_000, 1600)
