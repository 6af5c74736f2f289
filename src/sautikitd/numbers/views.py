"""Numbers as clients see them, with every price saying what VAT does to it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import NumberPayload
from sautikitd.events.models import Mode
from sautikitd.numbers.models import (
    CallbackFormat,
    InventoryRecord,
    NumberRecord,
    NumberStatus,
    NumberType,
    VoiceMethod,
)
from sautikitd.timestamps import rfc3339, shown
from sautikitd.wallet.money import CURRENCY, Minor
from sautikitd.wallet.prices import Charge, vat
from sautikitd.wallet.tariffs import rate_for, vat_basis_points


class PriceTax(msgspec.Struct, kw_only=True):
    """`exclusive`: VAT comes on top. `gross_minor` is what is paid, VAT in it."""

    treatment: Literal["inclusive", "exclusive"]
    gross_minor: int


class NumberTax(msgspec.Struct, kw_only=True):
    """What VAT does to each price of a number. 1600 basis points are 16 %."""

    name: Literal["VAT"] = "VAT"
    basis_points: int
    monthly_price: PriceTax
    inbound_per_min: PriceTax
    outbound_per_min: PriceTax


class NumberPrices(msgspec.Struct, kw_only=True):
    """The prices of a number. Calls: per minute, to Kenya and from anywhere; `GET /v1/public/pricing` has all."""

    monthly_price_minor: int
    inbound_per_min_minor: int
    outbound_per_min_minor: int
    currency: str
    tax: NumberTax


class AvailableNumber(NumberPrices, kw_only=True):
    """A number that can be claimed."""

    inventory_id: UUID
    e164: str
    country: str
    type: NumberType
    locality: str
    capabilities: list[str]


class Number(NumberPrices, kw_only=True):
    """A number of this workspace."""

    id: UUID
    e164: str
    country: str
    type: NumberType
    locality: str
    capabilities: list[str]
    status: NumberStatus
    mode: Mode
    label: str
    voice_callback_url: str | None
    voice_method: VoiceMethod
    callback_format: CallbackFormat
    fallback_url: str | None
    status_callback_url: str | None
    events_url: str | None
    forward_to: str | None
    record_calls: bool
    claimed_at: str
    paid_through: str | None  # the last day the rental is paid for, in Nairobi
    past_due_since: (
        str | None
    )  # the day, in Nairobi, the rental could first not be taken; null while it is paid
    due_minor: int  # owed for it, VAT included; taken as soon as the wallet has it
    released_at: str | None
    updated_at: str


class NumberShown(msgspec.Struct):
    number: Number


class Refund(msgspec.Struct, kw_only=True):
    """What came back to the wallet; net and VAT add up to the total."""

    net_minor: int
    vat_minor: int
    total_minor: int
    currency: str


class NumberReleased(msgspec.Struct):
    number: Number
    refund: Refund


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into every number shown at one moment to one workspace."""

    inbound_per_min_minor: int
    outbound_per_min_minor: int
    vat_basis_points: int

    def prices(self, monthly_price: int, basis_points: int | None = None) -> NumberPrices:
        """`basis_points`: the VAT rate frozen on the number, where there is one."""
        rate = self.vat_basis_points if basis_points is None else basis_points
        tax = NumberTax(
            basis_points=rate,
            monthly_price=PriceTax(
                treatment="exclusive", gross_minor=monthly_price + vat(monthly_price, rate)
            ),
            inbound_per_min=PriceTax(treatment="inclusive", gross_minor=self.inbound_per_min_minor),
            outbound_per_min=PriceTax(treatment="inclusive", gross_minor=self.outbound_per_min_minor),
        )
        return NumberPrices(
            monthly_price_minor=monthly_price,
            inbound_per_min_minor=self.inbound_per_min_minor,
            outbound_per_min_minor=self.outbound_per_min_minor,
            currency=CURRENCY,
            tax=tax,
        )


async def rates_of(connection: Connection, workspace_id: UUID, now: datetime) -> Rates:
    """The workspace's rates for Kenya, as they are now; where a tariff has none for it, 0 is shown."""
    inbound = await rate_for(connection, workspace_id, "inbound", "+254", now)
    outbound = await rate_for(connection, workspace_id, "outbound", "+254", now)
    return Rates(
        inbound_per_min_minor=inbound.per_minute_minor if inbound else 0,
        outbound_per_min_minor=outbound.per_minute_minor if outbound else 0,
        vat_basis_points=await vat_basis_points(connection, now),
    )


def show_available(row: InventoryRecord, rates: Rates) -> AvailableNumber:
    return AvailableNumber(
        **msgspec.structs.asdict(rates.prices(row.monthly_price_minor)),
        inventory_id=row.id,
        e164=row.e164,
        country=row.country,
        type=row.type,
        locality=row.locality,
        capabilities=list(row.capabilities),
    )


def show(number: NumberRecord, rates: Rates) -> Number:
    return Number(
        **msgspec.structs.asdict(rates.prices(number.monthly_price_minor, number.vat_basis_points)),
        id=number.id,
        e164=number.e164,
        country=number.country,
        type=number.type,
        locality=number.locality,
        capabilities=list(number.capabilities),
        status=number.status,
        mode=number.mode,
        label=number.label,
        voice_callback_url=number.voice_callback_url,
        voice_method=number.voice_method,
        callback_format=number.callback_format,
        fallback_url=number.fallback_url,
        status_callback_url=number.status_callback_url,
        events_url=number.events_url,
        forward_to=number.forward_to,
        record_calls=number.record_calls,
        claimed_at=rfc3339(number.claimed_at),
        paid_through=None if number.paid_through is None else number.paid_through.isoformat(),
        past_due_since=None if number.past_due_since is None else number.past_due_since.isoformat(),
        due_minor=number.due_minor,
        released_at=shown(number.released_at),
        updated_at=rfc3339(number.updated_at),
    )


def show_refund(refund: Charge) -> Refund:
    return Refund(net_minor=refund.net, vat_minor=refund.vat, total_minor=refund.total, currency=CURRENCY)


def payload(
    number: NumberRecord, rates: Rates, *, charge: Minor | None = None, refund: Minor | None = None
) -> NumberPayload:
    """The `data` of an event about this number."""
    return NumberPayload(
        number_id=number.id,
        e164=number.e164,
        status=number.status,
        number=msgspec.to_builtins(show(number, rates)),
        charge_minor=charge,
        refund_minor=refund,
        due_minor=number.due_minor or None,
    )
