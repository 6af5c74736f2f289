"""The arithmetic of prices: pure, whole numbers in, whole numbers out. Contract §3 (rentals), §4.6 (calls), §12 (holds).

Every formula rounds once, up unless it says otherwise. Months and days are Nairobi's (UTC+3, no summer time).
"""

from calendar import monthrange
from datetime import date, datetime

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.wallet.money import Minor

_SECONDS_PER_MINUTE = 60
_BASIS_POINTS = 10_000  # 1600 basis points are 16 %


class Charge(msgspec.Struct, frozen=True):
    """A price and the VAT on top of it."""

    net: Minor
    vat: Minor

    @property
    def total(self) -> Minor:
        return Minor(self.net + self.vat)


def call_cost(billed_seconds: int, rate_per_minute: int) -> Minor:
    """`ceil(seconds × rate / 60)`: 61 s at 300 a minute cost 305; 1 s costs 5."""
    _refuse_negative(billed_seconds, rate_per_minute)
    return Minor(_ceil_div(billed_seconds * rate_per_minute, _SECONDS_PER_MINUTE))


def hold_amount(covered_seconds: int, rate_per_minute: int) -> Minor:
    """What has to be held for `covered_seconds` of a call: what they would cost."""
    return call_cost(covered_seconds, rate_per_minute)


def affordable_seconds(available: int, rate_per_minute: int) -> int | None:
    """The most whole seconds `available` pays for; None when the rate is zero and time costs nothing."""
    if rate_per_minute == 0:
        return None
    return max(available, 0) * _SECONDS_PER_MINUTE // rate_per_minute


def prorated(price: int, days: int, days_in_month: int) -> Minor:
    """`ceil(price × days / days_in_month)`: 10,000 for 10 of 31 days is 3,226."""
    _refuse_negative(price, days)
    if not days <= days_in_month:
        raise ValueError(f"{days} days do not fit in a month of {days_in_month}")
    return Minor(_ceil_div(price * days, days_in_month))


def vat(net: int, basis_points: int) -> Minor:
    """VAT on top of `net`: `ceil(net × basis_points / 10,000)`."""
    _refuse_negative(net, basis_points)
    return Minor(_ceil_div(net * basis_points, _BASIS_POINTS))


def vat_included(gross: int, basis_points: int) -> Minor:
    """VAT inside a total that includes it, half up: of KES 116.00 at 16 % it is KES 16.00. Once per workspace and month (§12)."""
    _refuse_negative(gross, basis_points)
    divisor = _BASIS_POINTS + basis_points
    return Minor((2 * gross * basis_points + divisor) // (2 * divisor))


def rental(monthly_price: int, days: int, days_in_month: int, vat_basis_points: int) -> Charge:
    """The rental of a number for some days of one month: net first, then VAT on it."""
    net = prorated(monthly_price, days, days_in_month)
    return Charge(net, vat(net, vat_basis_points))


def rental_from(first_day: date, monthly_price: int, vat_basis_points: int) -> Charge:
    """The rental from `first_day` (included) to the end of its month; from the 1st it is the whole month."""
    length = days_in_month(first_day)
    return rental(monthly_price, length - first_day.day + 1, length, vat_basis_points)


def rental_refund(
    charged: Charge, first_day: date, last_day: date, monthly_price: int, vat_basis_points: int
) -> Charge:
    """What comes back of `charged`, which paid from `first_day` to the month's end, when it ends on `last_day` instead.

    Charged less the same formula for the days used, `last_day` included; net and VAT apart. Both days are of one month.
    """
    if (first_day.year, first_day.month) != (last_day.year, last_day.month) or last_day < first_day:
        raise ValueError(f"{first_day} to {last_day} is not a stretch of one month")
    used = rental(monthly_price, last_day.day - first_day.day + 1, days_in_month(first_day), vat_basis_points)
    return Charge(Minor(charged.net - used.net), Minor(charged.vat - used.vat))


def nairobi_day(at: datetime) -> date:
    """The calendar day it is in Nairobi at an aware moment."""
    return at.astimezone(NAIROBI).date()


def days_in_month(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def last_day_of_month(day: date) -> date:
    return day.replace(day=days_in_month(day))


def _ceil_div(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


def _refuse_negative(*amounts: int) -> None:
    if min(amounts) < 0:
        raise ValueError(f"prices, times and rates are not negative: {amounts}")
