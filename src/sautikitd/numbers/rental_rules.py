"""What a number owes and when its state changes for it: pure, days in Nairobi. Contract §3 and §12 (Money).

The month is owed on its 1st. While past due the full month is owed, from suspension only the days left of the month it
is; a number suspended is released, and its debt written off, thirty days after it could first not be paid.
"""

from datetime import date, timedelta

import msgspec

from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.wallet.prices import Charge, last_day_of_month, rental_from

SUSPENDED_AFTER = timedelta(days=7)
RELEASED_AFTER = timedelta(days=30)


class Rental(msgspec.Struct, frozen=True):
    """One charge to come: from `first_day` to the end of its month."""

    first_day: date
    charge: Charge
    vat_basis_points: int

    @property
    def last_day(self) -> date:
        return last_day_of_month(self.first_day)


def first_unpaid_day(number: NumberRecord, today: date) -> date | None:
    """The day the next rental starts from; None while the number is paid for, or is released."""
    if number.status is NumberStatus.RELEASED or number.paid_through is None or number.paid_through >= today:
        return None
    return today if number.status is NumberStatus.SUSPENDED else number.paid_through + timedelta(days=1)


def rental_due(number: NumberRecord, first_day: date, vat_basis_points: int) -> Rental:
    charge = rental_from(first_day, number.monthly_price_minor, vat_basis_points)
    return Rental(first_day, charge, vat_basis_points)


def status_unpaid(number: NumberRecord, today: date) -> NumberStatus:
    """Where a number stands on `today` whose rental cannot be taken."""
    behind = today - (number.past_due_since or today)
    if behind >= RELEASED_AFTER:
        return NumberStatus.RELEASED
    if behind >= SUSPENDED_AFTER or number.status is NumberStatus.SUSPENDED:
        return NumberStatus.SUSPENDED
    return NumberStatus.PAST_DUE
