"""Deliveries: their states, what a claim hands out, what an attempt leaves behind."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.events.models import Form, Mode

LOG_KEPT = timedelta(days=30)
"""How long ended deliveries and their attempts are kept (contract §6)."""


class DeliveryStatus(StrEnum):
    PENDING = "pending"  # waits for its turn, its time, or the one before it of the same call
    DELIVERING = "delivering"  # leased by a dispatcher
    SUCCEEDED = "succeeded"  # answered with a 2xx
    DEAD_LETTER = "dead_letter"  # out of attempts
    DISCARDED = "discarded"  # its endpoint was disabled or deleted; the event is kept and can be replayed


DELIVERY_EDGES: frozenset[tuple[DeliveryStatus, DeliveryStatus]] = frozenset(
    {
        (DeliveryStatus.PENDING, DeliveryStatus.DELIVERING),
        (DeliveryStatus.PENDING, DeliveryStatus.DISCARDED),
        (DeliveryStatus.DELIVERING, DeliveryStatus.PENDING),
        (DeliveryStatus.DELIVERING, DeliveryStatus.SUCCEEDED),
        (DeliveryStatus.DELIVERING, DeliveryStatus.DEAD_LETTER),
        (DeliveryStatus.DELIVERING, DeliveryStatus.DISCARDED),
    }
)
"""The only transitions; the database holds the same table (`delivery_status_edges`). The last three end it."""


class DisableReason(StrEnum):
    GONE = "gone"  # the endpoint answered 410
    FAILING = "failing"  # ten attempts or more and no success in five days
    BY_USER = "by_user"


class ClaimedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery leased to this dispatcher, with the event it carries. `attempts` have finished before."""

    id: UUID
    lease_id: UUID  # of this claim; an outcome counts only while it is still the row's
    endpoint_id: UUID
    workspace_id: UUID
    mode: Mode
    webhook_id: UUID | None
    url: str
    form: Form | None
    attempts: int
    open: bool  # False: its endpoint was disabled or deleted since the event happened
    secret_ids: list[UUID]  # the valid secrets of its subscription, the newest first
    event_id: UUID
    kind: str
    call_id: UUID | None
    occurred_at: datetime
    data: str  # JSON


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try, as the delivery log keeps it. `response_body` is at most 2 KiB of the response."""

    url: str
    request_headers: Mapping[str, str]
    started_at: datetime
    duration_ms: int
    response_status: int | None = None
    response_headers: Mapping[str, str] | None = None
    response_body: str | None = None
    error: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a claimed delivery. Without an `attempt` nothing was sent and none is counted."""

    delivery: ClaimedDelivery
    status: DeliveryStatus
    due_at: datetime | None = None  # of the next attempt, where `status` is pending
    attempt: Attempt | None = None
    gone: bool = False  # answered 410
    pause: timedelta | None = None  # that the endpoint asked for
    error: str | None = None


class FailingEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is to be disabled, and why."""

    endpoint_id: UUID
    workspace_id: UUID
    mode: Mode
    webhook_id: UUID | None
    url: str
    failing_since: datetime | None  # by the workspace's clock
    failures: int
