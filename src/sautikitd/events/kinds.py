"""The closed list of event kinds and the documented payload (`data`) of each (contract §6).

Kinds of a call's own story start with `flow.`; they are kept and shown with the call, and never delivered.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

FLOW_PREFIX = "flow."


class EventKind(StrEnum):
    CALL_STARTED = "call.started"
    CALL_RINGING = "call.ringing"
    CALL_ANSWERED = "call.answered"
    CALL_MACHINE_DETECTED = "call.machine_detected"
    CALL_COMPLETED = "call.completed"
    CALL_FAILED = "call.failed"
    CALL_SUPERVISION_STARTED = "call.supervision.started"
    CALL_SUPERVISION_CONNECTED = "call.supervision.connected"
    CALL_SUPERVISION_CHANGED = "call.supervision.changed"
    CALL_SUPERVISION_ENDED = "call.supervision.ended"
    RECORDING_READY = "recording.ready"
    RECORDING_FAILED = "recording.failed"
    RECORDING_TRANSCRIBED = "recording.transcribed"
    RECORDING_TRANSCRIPTION_FAILED = "recording.transcription_failed"
    CONFERENCE_STARTED = "conference.started"
    CONFERENCE_ENDED = "conference.ended"
    CONFERENCE_PARTICIPANT_JOINED = "conference.participant_joined"
    CONFERENCE_PARTICIPANT_LEFT = "conference.participant_left"
    CONFERENCE_PARTICIPANT_MUTED = "conference.participant_muted"
    CONFERENCE_PARTICIPANT_UNMUTED = "conference.participant_unmuted"
    CONFERENCE_PARTICIPANT_HELD = "conference.participant_held"
    CONFERENCE_PARTICIPANT_UNHELD = "conference.participant_unheld"
    CONFERENCE_RECORDING_STARTED = "conference.recording_started"
    CONFERENCE_RECORDING_STOPPED = "conference.recording_stopped"
    QUEUE_ENTERED = "queue.entered"
    QUEUE_CONNECTED = "queue.connected"
    QUEUE_LEFT = "queue.left"
    NUMBER_PROVISIONED = "number.provisioned"
    NUMBER_RELEASED = "number.released"
    NUMBER_RENEWED = "number.renewed"
    NUMBER_PAST_DUE = "number.past_due"
    NUMBER_SUSPENDED = "number.suspended"
    WALLET_TOP_UP = "wallet.top_up"
    WALLET_TOP_UP_FAILED = "wallet.top_up_failed"
    WALLET_LOW_BALANCE = "wallet.low_balance"
    WALLET_SPEND_LIMIT = "wallet.spend_limit"
    WALLET_OUTBOUND_PAUSED = "wallet.outbound_paused"
    DEVICE_GUESSING = "device.guessing"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_TEST = "webhook.test"


class CallPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of every `call.*` event. `call` is the whole Call as `GET /v1/calls/{id}` shows it, with `events: []`."""

    call_id: UUID
    session_id: str
    direction: str
    from_: str = msgspec.field(name="from")
    to: str
    number_id: UUID
    status: str
    sequence: int
    call: dict[str, Any]
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int | None = None
    hangup_cause: str | None = None
    failure_code: str | None = None
    answered_by: str | None = None
    client_request_id: str | None = None
    metadata: dict[str, Any] | None = None


class SupervisionPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of every `call.supervision.*` event: `started` (the supervisor is about to be called), `connected`, `changed` (of
    mode), `ended` (with `state` `ended` or `failed`). `supervision` is what `GET /v1/calls/{id}/supervision` shows."""

    call_id: UUID
    session_id: str
    number_id: UUID
    sequence: int
    supervision_id: UUID
    mode: str
    state: str
    supervision: dict[str, Any]
    client_request_id: str | None = None


class RecordingPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of `recording.ready` (with `download_url`, good until `expires_at`) and `recording.failed` (with `error`).

    `media_url` is the API's own address of the sound, for who has a key; `source` is told where a
    `recordingStatusCallback` was asked for (`RecordVerb`, `DialVerb`, `Conference`). That of a conference names it by its
    `conference_id`; its call is the one that came first.
    """

    recording_id: UUID
    call_id: UUID
    number_id: UUID | None = None
    session_id: str | None = None
    sequence: int | None = None
    channels: int | None = None
    duration_seconds: int | None = None
    size_bytes: int | None = None
    download_url: str | None = None
    expires_at: datetime | None = None
    error: str | None = None
    client_request_id: str | None = None
    media_url: str | None = None
    source: str | None = None
    conference_id: UUID | None = None
    started_at: datetime | None = None


class ConferencePayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of every `conference.*` event; `sequence` counts the events of one conference from 1, `participants` is how
    many are in it then. Those of a participant name him by his `call_id`; `number` is the far party's.

    `reason` is of `ended` and `participant_left`; `duration_seconds` counts from the start, or since he joined. Who
    ended it by leaving is `ended_by_call_id`, also for those who had to leave with him, and `ended_by_reason` is how he
    left (`hangup`, `left`, `kicked`); `start_on_enter` and `end_on_exit` are as he joined with them.
    """

    conference_id: UUID
    name: str
    status: str
    sequence: int
    participants: int
    call_id: UUID | None = None
    number: str | None = None
    muted: bool | None = None
    held: bool | None = None
    coached_call_id: UUID | None = None
    start_on_enter: bool | None = None
    end_on_exit: bool | None = None
    reason: str | None = None
    ended_by_call_id: UUID | None = None
    ended_by_reason: str | None = None
    duration_seconds: int | None = None
    recording_id: UUID | None = None


class QueuePayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of every `queue.*` event, about the caller `call_id`. `size` is how many wait then, `wait_seconds` how long he
    has waited; `position` is of `queue.entered`, `result` of `queue.left`."""

    queue_id: UUID
    name: str
    call_id: UUID
    size: int
    wait_seconds: int
    position: int | None = None
    taken_by_call_id: UUID | None = None
    result: str | None = None


class TranscriptionPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of `recording.transcribed` (with `text`, its first 4,000 characters; `text_cut` says that there is more, at
    `GET /v1/recordings/{id}/transcription`) and `recording.transcription_failed` (with `error`)."""

    recording_id: UUID
    call_id: UUID
    status: str
    number_id: UUID | None = None
    session_id: str | None = None
    sequence: int | None = None
    text: str | None = None
    text_cut: bool = False
    language: str | None = None
    error: str | None = None
    client_request_id: str | None = None


class NumberPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of every `number.*` event. Money in minor units; `refund_minor` on release, `due_minor` while past due."""

    number_id: UUID
    e164: str
    status: str
    number: dict[str, Any]
    charge_minor: int | None = None
    refund_minor: int | None = None
    due_minor: int | None = None
    currency: str = "KES"


class TopUpPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Of `wallet.top_up` and `wallet.top_up_failed`. `late` says that the money came after the top-up had failed.

    `reason` and `advice` put a failure in words for the customer. `provider_reference` is the M-Pesa receipt; a
    success that Daraja could confirm without one has null.
    """

    topup_id: UUID
    amount_minor: int
    currency: str
    provider: str
    provider_reference: str | None = None
    new_balance_minor: int | None = None
    failure_code: str | None = None
    reason: str | None = None
    advice: str | None = None
    late: bool = False


class LowBalancePayload(msgspec.Struct, kw_only=True):
    """Once per downward crossing of the threshold; armed again above it."""

    balance_minor: int
    threshold_minor: int
    currency: str


class SpendLimitPayload(msgspec.Struct, kw_only=True):
    """Four fifths of a daily cap are spent; once a day. `api_key_id` is null for the whole workspace's."""

    api_key_id: UUID | None
    spent_minor: int
    limit_minor: int
    currency: str


class OutboundPausedPayload(msgspec.Struct, kw_only=True):
    """Money was spent so fast that outbound calls were paused: this hour's calls, and the dearest hour of the last week."""

    reason: str
    spent_minor: int
    usual_minor: int
    currency: str


class DeviceGuessingPayload(msgspec.Struct, kw_only=True):
    """Somebody tries wrong passwords for a SIP credential, too many in too short a time; at most once an hour.

    `source_address` is where the last of them came from. The right password goes on working. It may be a phone that
    still has an old one.
    """

    credential_id: UUID
    username: str
    label: str
    number_id: UUID
    source_address: str


class WebhookDisabledPayload(msgspec.Struct, kw_only=True):
    """An endpoint was switched off: `gone` (it answered 410) or `failing` (no success in five days).

    `webhook_id` is null for a URL that is no subscription (a number's events_url, a call's webhook_url);
    such a URL is tried again after a day, or as soon as it is set anew.
    """

    webhook_id: UUID | None
    url: str
    reason: str
    failing_since: datetime | None
    failures: int


class WebhookTestPayload(msgspec.Struct, kw_only=True):
    """What `POST /v1/webhooks/{id}/test` sends."""

    webhook_id: UUID
    message: str


PAYLOADS: dict[EventKind, type[msgspec.Struct]] = {
    **{kind: CallPayload for kind in EventKind if kind.startswith("call.")},
    **{kind: SupervisionPayload for kind in EventKind if kind.startswith("call.supervision.")},
    **{kind: RecordingPayload for kind in EventKind if kind.startswith("recording.")},
    **{kind: ConferencePayload for kind in EventKind if kind.startswith("conference.")},
    **{kind: QueuePayload for kind in EventKind if kind.startswith("queue.")},
    EventKind.RECORDING_TRANSCRIBED: TranscriptionPayload,
    EventKind.RECORDING_TRANSCRIPTION_FAILED: TranscriptionPayload,
    **{kind: NumberPayload for kind in EventKind if kind.startswith("number.")},
    EventKind.WALLET_TOP_UP: TopUpPayload,
    EventKind.WALLET_TOP_UP_FAILED: TopUpPayload,
    EventKind.WALLET_LOW_BALANCE: LowBalancePayload,
    EventKind.WALLET_SPEND_LIMIT: SpendLimitPayload,
    EventKind.WALLET_OUTBOUND_PAUSED: OutboundPausedPayload,
    EventKind.DEVICE_GUESSING: DeviceGuessingPayload,
    EventKind.WEBHOOK_DISABLED: WebhookDisabledPayload,
    EventKind.WEBHOOK_TEST: WebhookTestPayload,
}

SUBSCRIBABLE = frozenset(kind.value for kind in EventKind if kind is not EventKind.WEBHOOK_TEST)
"""What a subscription may name, besides `*`."""

_KNOWN = frozenset(kind.value for kind in EventKind)


class UnknownEventKind(ValueError):
    """An event's kind is in `EventKind` or starts with `flow.`; add new ones there, with their payload."""


def is_public(kind: str) -> bool:
    """Whether events of this kind are delivered and listed. Raises `UnknownEventKind`."""
    if kind in _KNOWN:
        return True
    if kind.startswith(FLOW_PREFIX):
        return False
    raise UnknownEventKind(f"{kind}: {UnknownEventKind.__doc__}")
