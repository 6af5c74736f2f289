"""What the room speaks in: accounts, causes, lines, balances, holds, entries."""

from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode
from sautikitd.wallet.money import CURRENCY, Minor


class Account(msgspec.Struct, frozen=True, order=True):
    """The key of a wallet. Who locks several locks them in this order."""

    workspace_id: UUID
    mode: Mode


class EntryType(StrEnum):
    """Why money moved; the `type` of a statement entry.

    Closed: the database holds the same list and `suspense`, for money that is in nobody's wallet yet.
    """

    CALL = "call"
    RENTAL = "rental"
    REFUND = "refund"
    TOP_UP = "top_up"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"
    TEST_CREDIT = "test_credit"


class LedgerAccount(StrEnum):
    """The platform's side of the books. Each mode has its own."""

    REVENUE_CALLS = "revenue.calls"
    REVENUE_RENTALS = "revenue.rentals"
    VAT_PAYABLE = "vat_payable"
    MPESA_CLEARING = "mpesa_clearing"
    SUSPENSE = "suspense"
    REFUNDS = "refunds"
    ADJUSTMENTS = "adjustments"
    TEST_FUNDING = "test_funding"


class Cause(msgspec.Struct, frozen=True):
    """Why a hold or a transaction exists; each cause has at most one of either.

    `id` is of the caller's making: a call's id, `<number id>/2026-11` for a month's rental, an M-Pesa receipt.
    """

    type: EntryType
    id: str


class Line(msgspec.Struct, frozen=True):
    """A share of an amount that one account of the platform gives or takes. Positive; the operation decides the sign."""

    account: LedgerAccount
    amount_minor: Minor


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement shows about an entry besides its amount. `tax_basis_points`: the VAT rate frozen on it."""

    description: str
    reference: str = ""
    call_id: UUID | None = None
    number_id: UUID | None = None
    topup_id: UUID | None = None
    tax_basis_points: int | None = None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a hold is to be settled to; nothing frees all of it."""

    cause_id: str
    cost_minor: int
    details: Details


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """balance = available + held. `available_minor` is below zero only after a reversal or a staff adjustment."""

    workspace_id: UUID
    balance_minor: Minor
    held_minor: Minor
    available_minor: Minor
    low_balance_threshold_minor: Minor
    currency: str = CURRENCY


class HoldState(StrEnum):
    OPEN = "open"
    SETTLED = "settled"
    RELEASED = "released"


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Money set aside for one cause. Once closed, `amount_minor` stays what was held last."""

    cause: Cause
    account: Account
    amount_minor: Minor
    state: HoldState


class Wish(msgspec.Struct, frozen=True):
    """A hold to be made, of several that are made together."""

    account: Account
    cause_id: str
    amount_minor: int


class Coverage(msgspec.Struct, frozen=True):
    """How far a hold now reaches: `seconds` of the call in all, of those wanted; `hold` after the attempt."""

    seconds: int
    hold: Hold


class EntryRef(msgspec.Struct, frozen=True, kw_only=True):
    """One wallet entry, by the id of its transaction."""

    id: UUID
    amount_minor: Minor
    balance_after_minor: Minor


class StatementEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a statement, as the API shows it (§7). `amount_minor` is signed: charges are negative."""

    id: UUID
    type: EntryType
    amount_minor: Minor
    balance_after_minor: Minor
    currency: str
    description: str
    reference: str
    created_at: str
    call_id: UUID | None = None
    number_id: UUID | None = None
    topup_id: UUID | None = None
