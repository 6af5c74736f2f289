"""What clients send."""

from typing import Annotated, Literal

import msgspec

from sautikitd.http.fields import Cursor
from sautikitd.http.pagination import Limit
from sautikitd.http.time_window import TimeWindow
from sautikitd.numbering.parse import KENYA, NumberClass, parse_number
from sautikitd.numbering.problems import BadNumber
from sautikitd.payments.models import TopUpStatus, WholeShillings


def _check_phone(value: str) -> str | None:
    """Safaricom's lines cannot be told by prefix (numbers are ported): Daraja answers for that."""
    parsed = parse_number(value)
    if isinstance(parsed, BadNumber):
        return parsed.reason
    if parsed.country != KENYA or parsed.kind is not NumberClass.MOBILE:
        return "must be a Kenyan mobile number with M-PESA"
    return None


def e164_of(phone: str) -> str:
    """Of a phone that was checked."""
    parsed = parse_number(phone)
    assert not isinstance(parsed, BadNumber)
    return parsed.e164


SavedPhone = Annotated[str, msgspec.Meta(extra={"check": _check_phone})]
"""A Kenyan mobile number, as a client writes it."""


class CreateTopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A top-up: `phone_e164` gets an M-PESA prompt for `amount_minor` (100 is KES 1.00, whole shillings, 1 to 250,000)."""

    amount_minor: WholeShillings
    phone_e164: SavedPhone
    provider: Literal["mpesa"] = "mpesa"
    currency: Literal["KES"] = "KES"


class ListTopUps(TimeWindow, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None
    status: TopUpStatus | None = None
