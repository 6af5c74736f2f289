"""What may come of a request to Daraja. There are three outcomes, and the third is not a failure."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Accepted(msgspec.Struct, Generic[T], frozen=True):
    """Daraja did as asked, and said `value`."""

    value: T


class Rejected(msgspec.Struct, frozen=True):
    """Nothing was done. `retryable`: the same request may do better later (busy, spike arrest, not reached)."""

    code: str
    message: str
    retryable: bool = False

    @property
    def not_sent(self) -> bool:
        """The request never left us, or was turned away at the door for its token: sending it again is safe."""
        return self.code in (UNREACHABLE, NO_TOKEN)


class OutcomeUnknown(msgspec.Struct, frozen=True):
    """It may have been done or not: time-out, lost answer, HTML, a fault inside Daraja. `why` is for logs."""

    why: str


Outcome = Accepted[T] | Rejected | OutcomeUnknown

UNREACHABLE = "unreachable"
NO_TOKEN = "no_token"
PHONE_LOCKED = "phone_locked"


class PushTicket(msgspec.Struct, frozen=True):
    """A push that Daraja accepted, which says nothing about payment."""

    checkout_request_id: str


class QueryVerdict(msgspec.Struct, frozen=True):
    """The `ResultCode` of a push; `4999` while it is under way. Neither receipt nor amount come with it."""

    code: str


class PulledRow(msgspec.Struct, frozen=True):
    """One payment as Pull tells it."""

    receipt: str
    amount: str
    reference: str
    payer: str
    time: str
