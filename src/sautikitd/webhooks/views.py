"""What clients read of the webhooks room. Times are RFC 3339, UTC, milliseconds, `Z`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Record
from sautikitd.events.envelope import Envelope
from sautikitd.events.models import Event, Mode
from sautikitd.timestamps import rfc3339, shown
from sautikitd.webhooks.models import DeliveryStatus, DisableReason


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription. `failing_since` is the first failure since its last success; null while it works."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    url: str
    description: str
    events: list[str]
    number_ids: list[UUID] | None
    enabled: bool
    disabled_at: str | None
    disabled_reason: DisableReason | None
    failing_since: str | None
    created_at: str
    updated_at: str


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try, kept 30 days. The body sent is the event's envelope; 2 KiB of the response are kept."""

    attempt: int
    url: str
    started_at: str
    duration_ms: int
    request_headers: dict[str, str]
    response_status: int | None
    response_headers: dict[str, str] | None
    response_body: str | None
    error: str | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one endpoint. `next_attempt_at` is null unless one is to come."""

    id: UUID
    webhook_id: UUID | None
    event_id: UUID
    kind: str
    url: str
    cause: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: str | None
    last_attempt_at: str | None
    response_status: int | None
    last_error: str | None
    created_at: str
    finished_at: str | None
    log: Sequence[AttemptView]


class OneWebhook(msgspec.Struct, frozen=True):
    webhook: Webhook


class WebhookWithSecret(msgspec.Struct, frozen=True):
    """`secret` is shown this once."""

    webhook: Webhook
    secret: str


class RotatedSecret(msgspec.Struct, frozen=True):
    """The old secret signs along until `previous_valid_until`."""

    webhook: Webhook
    secret: str
    previous_valid_until: str


class OneDelivery(msgspec.Struct, frozen=True):
    delivery: Delivery


class ReplayAnswer(msgspec.Struct, frozen=True):
    """`queued` deliveries were made, oldest event first. With `more`, ask again with `from` = `continue_from`."""

    queued: int
    more: bool
    continue_from: str | None


class OneEvent(msgspec.Struct, frozen=True):
    event: Envelope


def show_webhook(row: Record) -> Webhook:
    reason = row["disabled_reason"]
    return Webhook(
        id=row["id"],
        workspace_id=row["workspace_id"],
        mode=row["mode"],
        url=row["url"],
        description=row["description"],
        events=row["events"],
        number_ids=row["number_ids"],
        enabled=row["enabled"],
        disabled_at=shown(row["disabled_at"]),
        disabled_reason=DisableReason(reason) if reason else None,
        failing_since=shown(row["failing_since"]),
        created_at=rfc3339(row["created_at"]),
        updated_at=rfc3339(row["updated_at"]),
    )


def show_delivery(row: Record, attempts: Sequence[Record]) -> Delivery:
    status = DeliveryStatus(row["status"])
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["event_id"],
        kind=row["kind"],
        url=row["url"],
        cause=row["cause"],
        status=status,
        attempts=row["attempts"],
        next_attempt_at=rfc3339(row["due_at"]) if status is DeliveryStatus.PENDING else None,
        last_attempt_at=shown(row["last_attempt_at"]),
        response_status=row["response_status"],
        last_error=row["error"],
        created_at=rfc3339(row["created_at"]),
        finished_at=shown(row["finished_at"]),
        log=[_attempt(attempt) for attempt in attempts],
    )


def show_event(event: Event) -> Envelope:
    return Envelope(
        kind=event.kind,
        event_id=event.id,
        workspace_id=event.workspace_id,
        mode=event.mode,
        occurred_at=rfc3339(event.occurred_at),
        data=event.data,
    )


def _attempt(row: Record) -> AttemptView:
    fields: dict[str, Any] = {name: row[name] for name in row.keys() if name != "delivery_id"}  # noqa: SIM118
    return AttemptView(**fields | {"started_at": rfc3339(row["started_at"])})
