"""Transcriptions: their states, what is stored of one and what is shown of it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode
from sautikitd.timestamps import rfc3339, shown


class TranscriptionStatus(StrEnum):
    """`pending` goes to one of the others, once."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


class StoredTranscription(msgspec.Struct, frozen=True, kw_only=True):
    """A row, with what is needed of its recording and its call."""

    recording_id: UUID
    call_id: UUID
    session_id: str
    number_id: UUID
    direction: str
    call_status: str
    from_address: str
    to_address: str
    callback_format: str
    client_request_id: str | None
    workspace_id: UUID
    mode: Mode
    recording_status: str
    object_key: str
    status: TranscriptionStatus
    wanted_language: str | None
    callback_url: str | None
    text: str | None
    language: str | None
    engine: str | None
    error: str | None
    attempts: int
    callback_attempts: int
    created_at: datetime
    completed_at: datetime | None


def has_callback_of_its_own(stored: StoredTranscription) -> bool:
    """Whether its callback is a form in Twilio's words; any other hears of it as of an event."""
    return stored.callback_url is not None and stored.callback_format == "twilio"


class Transcription(msgspec.Struct, frozen=True, kw_only=True):
    """What was said in a recording. `text` is there once `status` is `completed`, `error` once it is `failed`."""

    recording_id: UUID
    call_id: UUID
    status: TranscriptionStatus
    text: str | None
    language: str | None
    engine: str | None
    error: str | None
    created_at: str
    completed_at: str | None


def shown_as(stored: StoredTranscription) -> Transcription:
    return Transcription(
        recording_id=stored.recording_id,
        call_id=stored.call_id,
        status=stored.status,
        text=stored.text,
        language=stored.language,
        engine=stored.engine,
        error=stored.error,
        created_at=rfc3339(stored.created_at),
        completed_at=shown(stored.completed_at),
    )
