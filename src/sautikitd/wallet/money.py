"""Money as a type: whole minor units of the Kenya shilling, 100 = KES 1.00. Never a float."""

from typing import NewType

Minor = NewType("Minor", int)

CURRENCY = "KES"


def written(amount: int) -> str:
    """For people: `KES 1,234.05`, `-KES 3.00`."""
    sign = "-" if amount < 0 else ""
    shillings, cents = divmod(abs(amount), 100)
    return f"{sign}{CURRENCY} {shillings:,}.{cents:02}"
