"""What the room speaks in: top-ups, payments, suspense cases, and the tables of their states."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode

SMALLEST_MINOR = 1_00
LARGEST_MINOR = 250_000_00
"""What M-Pesa moves at once (`mpesa.md` §8), in KES cents; whole shillings only."""

WholeShillings = Annotated[
    int,
    msgspec.Meta(
        ge=SMALLEST_MINOR, le=LARGEST_MINOR, multiple_of=100, description="KES cents; whole shillings."
    ),
]


class TopUpStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PushState(StrEnum):
    """Where the STK push of a top-up is. `unknown`: it may have left, and is never sent again."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class SuspenseState(StrEnum):
    """`matched`: the channel that told of it later made clear whose it is."""

    OPEN = "open"
    ASSIGNED = "assigned"
    REVERSED = "reversed"
    MATCHED = "matched"


class RequestState(StrEnum):
    """Of a reversal, or of a question for a status, that we sent to M-PESA."""

    SENDING = "sending"
    WAITING = "waiting"  # it may have left us: only a result ends it
    DONE = "done"
    REFUSED = "refused"


TRANSITIONS: dict[str, frozenset[tuple[str, str]]] = {
    "status": frozenset(
        {
            (TopUpStatus.PENDING, TopUpStatus.SUCCEEDED),
            (TopUpStatus.PENDING, TopUpStatus.FAILED),
            (TopUpStatus.FAILED, TopUpStatus.SUCCEEDED),  # late money
        }
    ),
    "push": frozenset(
        {
            (PushState.QUEUED, PushState.SENDING),
            (PushState.SENDING, PushState.QUEUED),  # provably never left us
            (PushState.SENDING, PushState.ACCEPTED),
            (PushState.SENDING, PushState.REJECTED),
            (PushState.SENDING, PushState.UNKNOWN),
            (PushState.UNKNOWN, PushState.ACCEPTED),  # a slow answer after all
            (PushState.UNKNOWN, PushState.REJECTED),
        }
    ),
    "suspense": frozenset(
        (SuspenseState.OPEN, end)
        for end in (SuspenseState.ASSIGNED, SuspenseState.REVERSED, SuspenseState.MATCHED)
    ),
    "request": frozenset(
        {
            (RequestState.SENDING, RequestState.WAITING),
            (RequestState.SENDING, RequestState.DONE),  # the result overtook the answer
            (RequestState.SENDING, RequestState.REFUSED),
            (RequestState.WAITING, RequestState.DONE),
            (RequestState.WAITING, RequestState.REFUSED),
            (RequestState.REFUSED, RequestState.DONE),  # the money went back after all
        }
    ),
}
"""Every change of state there is, by machine; the database holds the same table and refuses any other."""


class Channel(StrEnum):
    """How the customer paid: a prompt on the phone, or the Paybill by hand."""

    STK = "stk"
    PAYBILL = "paybill"


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `topups`. Amounts in KES cents."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    channel: Channel
    status: TopUpStatus
    amount_minor: int
    phone_e164: str | None
    reference: str
    push_state: PushState | None
    pushed_at: datetime | None
    checkout_request_id: str | None
    receipt: str | None
    failure_code: str | None
    late: bool
    created_at: datetime
    completed_at: datetime | None


class Source(StrEnum):
    """Which of Daraja's channels told of a payment."""

    STK = "stk"
    C2B = "c2b"
    PULL = "pull"


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Money that arrived, as one channel tells it. `topup_id` where the channel knows (the callback of a push)."""

    mode: Mode
    source: Source
    receipt: str
    amount_minor: int
    reference: str | None = None
    topup_id: UUID | None = None
    payer: str | None = None
    paid_at: datetime | None = None


class Place(StrEnum):
    """Where a receipt's money is. Exactly one of them."""

    WALLET = "wallet"
    SUSPENSE = "suspense"
    REVERSED = "reversed"


class SuspenseReason(StrEnum):
    UNKNOWN_REFERENCE = "unknown_reference"
    AMOUNT_DIFFERS = "amount_differs"
    PAID_TWICE = "paid_twice"
    DIFFERENCE = "difference"  # the rest of a payment that a query had already made us credit


class SuspenseCase(msgspec.Struct, frozen=True, kw_only=True):
    """Money that is in nobody's wallet yet. `amount_minor` is below zero when too much was credited."""

    id: UUID
    mode: Mode
    receipt: str
    amount_minor: int
    reason: SuspenseReason
    state: SuspenseState
    topup_id: UUID | None
    workspace_id: UUID | None
    note: str
    opened_at: datetime
    closed_at: datetime | None
