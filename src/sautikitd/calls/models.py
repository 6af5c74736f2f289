"""A call as the database holds it and as clients see it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls.outcomes import CallStatus
from sautikitd.database.pool import Record
from sautikitd.events.models import Mode
from sautikitd.recordings.models import RecordingSummary


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `calls`. Columns and fields carry the same names."""

    id: UUID
    session_id: str
    workspace_id: UUID
    mode: Mode
    parent_call_id: UUID | None
    number_id: UUID
    direction: str
    from_address: str
    to_address: str
    local_e164: str
    remote_e164: str
    country: str | None
    status: CallStatus
    target_count: int
    webhook_url: str | None
    events_url: str | None
    voice_callback_url: str | None
    voice_method: str
    fallback_url: str | None
    status_callback_url: str | None
    callback_format: str
    forward_to: str | None
    actions: list[Any] | None
    control: dict[str, Any] | None
    timeout_seconds: int
    max_duration_seconds: int
    record: str | None
    send_digits: str
    machine_detection: str
    client_request_id: str | None
    metadata: dict[str, Any] | None
    test_script: list[Any] | None
    api_key_id: UUID | None
    expires_at: datetime | None
    started_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    billed_seconds: int | None
    cost_minor: int
    cost_currency: str
    rate_per_minute_minor: int
    failure_code: str | None
    hangup_cause: str | None
    hangup_by: str | None
    sip_code: int | None
    answered_by: str | None
    quality: dict[str, Any] | None
    event_sequence: int
    hangup_requested_at: datetime | None
    node_id: UUID | None
    trunk_id: UUID | None
    dialog: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @property
    def by_device(self) -> bool:
        """Made by a device, not placed through the API: outbound, and it never waited. It runs no flow."""
        return self.direction == "outbound" and self.parent_call_id is None and self.expires_at is None

    @property
    def is_parent(self) -> bool:
        """Rings several targets at once: its legs are calls of their own, and it is not dialled itself."""
        return self.target_count > 1


_STATUSES = {status.value: status for status in CallStatus}


def record_of(row: Record) -> CallRecord:
    values = dict(row)
    values["status"] = _STATUSES[values["status"]]
    return CallRecord(**values)


COLUMNS = ", ".join(f"calls.{field}" for field in CallRecord.__struct_fields__)


class CostLine(msgspec.Struct, frozen=True):
    """How one leg's cost came about."""

    call_id: UUID
    to: str
    seconds: int
    rate_per_minute_minor: int
    amount_minor: int
    arithmetic: str  # 'ceil(37 s × 300 / 60) = 185'
    ledger_entry_id: UUID | None


class Quality(msgspec.Struct, frozen=True):
    """How it sounded on our side. MOS by the E-model (ITU-T G.107), 1 to 4.5."""

    mos: float | None
    jitter_ms: float | None
    loss_percent: float | None
    codec: str | None


class CallEvent(msgspec.Struct, frozen=True):
    id: UUID
    call_id: UUID
    kind: str
    payload: dict[str, Any]
    occurred_at: str
    created_at: str


class Call(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A call as clients see it: in answers, in lists and in webhooks."""

    id: UUID
    workspace_id: UUID
    session_id: str
    parent_call_id: UUID | None
    number_id: UUID
    direction: str
    from_: str
    to: str
    local_e164: str
    remote_e164: str
    country: str | None
    status: str
    started_at: str | None
    ringing_at: str | None
    answered_at: str | None
    ended_at: str | None
    duration_seconds: int | None
    billed_seconds: int | None
    cost_minor: int
    cost_currency: str
    total_cost_minor: int
    rate_per_minute_minor: int
    cost_breakdown: Sequence[CostLine]
    failure_code: str | None
    hangup_cause: str | None
    hangup_by: str | None
    sip_code: int | None
    answered_by: str | None
    queue_position: int | None
    recording: RecordingSummary | None
    quality: Quality | None
    client_request_id: str | None
    metadata: dict[str, Any] | None
    mode: str
    created_at: str
    updated_at: str
    legs: Sequence[UUID]
    events: Sequence[CallEvent]
