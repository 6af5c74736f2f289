"""Numbers and inventory as they are stored; states and their edges."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode
from sautikitd.wallet.money import Minor
from sautikitd.wallet.prices import Charge


class NumberStatus(StrEnum):
    """`past_due`: the rental could not be taken; it still works. `suspended`: seven days later; no calls."""

    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    RELEASED = "released"


# What may follow what; the database holds the same table (number_status_edges).
TRANSITIONS: dict[NumberStatus, frozenset[NumberStatus]] = {
    NumberStatus.ACTIVE: frozenset({NumberStatus.PAST_DUE, NumberStatus.SUSPENDED, NumberStatus.RELEASED}),
    NumberStatus.PAST_DUE: frozenset({NumberStatus.ACTIVE, NumberStatus.SUSPENDED, NumberStatus.RELEASED}),
    NumberStatus.SUSPENDED: frozenset({NumberStatus.ACTIVE, NumberStatus.RELEASED}),
    NumberStatus.RELEASED: frozenset(),
}


class NumberType(StrEnum):
    LOCAL = "local"
    MOBILE = "mobile"
    TOLL_FREE = "toll_free"


class InventoryStatus(StrEnum):
    AVAILABLE = "available"
    ASSIGNED = "assigned"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"


class VoiceMethod(StrEnum):
    GET = "GET"
    POST = "POST"


class CallbackFormat(StrEnum):
    """The vocabulary of voice callbacks (contract §5)."""

    SAUTIKIT = "sautikit"
    AFRICASTALKING = "africastalking"
    TWILIO = "twilio"


class InventoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A number the platform may give out."""

    id: UUID
    mode: Mode
    e164: str
    country: str
    type: NumberType
    area_code: str
    locality: str
    capabilities: tuple[str, ...]
    monthly_price_minor: Minor
    status: InventoryStatus


class NumberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment of a number to a workspace. `paid_*` is the rental charged last, days in Nairobi.

    While it is past due or suspended: since when, what was owed when that was last tried, and on which day.
    """

    id: UUID
    workspace_id: UUID
    mode: Mode
    inventory_id: UUID
    e164: str
    country: str
    type: NumberType
    locality: str
    capabilities: tuple[str, ...]
    status: NumberStatus
    monthly_price_minor: Minor
    label: str
    voice_callback_url: str | None
    voice_method: VoiceMethod
    callback_format: CallbackFormat
    fallback_url: str | None
    status_callback_url: str | None
    events_url: str | None
    forward_to: str | None
    record_calls: bool
    claimed_at: datetime
    paid_from: date | None
    paid_through: date | None
    paid_net_minor: Minor
    paid_vat_minor: Minor
    vat_basis_points: int
    released_at: datetime | None
    refund_net_minor: Minor
    refund_vat_minor: Minor
    updated_at: datetime
    past_due_since: date | None = None
    due_minor: Minor = Minor(0)
    tried_on: date | None = None

    @property
    def paid(self) -> Charge:
        return Charge(self.paid_net_minor, self.paid_vat_minor)

    @property
    def refund(self) -> Charge:
        return Charge(self.refund_net_minor, self.refund_vat_minor)
