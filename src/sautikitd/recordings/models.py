"""Recordings: their states, what is stored of one and what is shown of it."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode
from sautikitd.timestamps import rfc3339, shown


class RecordingStatus(StrEnum):
    RECORDING = "recording"  # a voice node is writing its file
    PROCESSING = "processing"  # the file is whole and on its way to the store
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"
    EXPIRED = "expired"


# The same edges stand in the table `recording_status_edges`.
TRANSITIONS: dict[RecordingStatus, frozenset[RecordingStatus]] = {
    RecordingStatus.RECORDING: frozenset({RecordingStatus.PROCESSING, RecordingStatus.FAILED}),
    RecordingStatus.PROCESSING: frozenset({RecordingStatus.READY, RecordingStatus.FAILED}),
    RecordingStatus.READY: frozenset({RecordingStatus.DELETED, RecordingStatus.EXPIRED}),
    RecordingStatus.FAILED: frozenset({RecordingStatus.DELETED}),
    RecordingStatus.DELETED: frozenset(),
    RecordingStatus.EXPIRED: frozenset(),
}
UNFINISHED = frozenset({RecordingStatus.RECORDING, RecordingStatus.PROCESSING})
GONE = frozenset({RecordingStatus.DELETED, RecordingStatus.EXPIRED})


class Failure(StrEnum):
    """Why a recording failed: the `error` of the recording and of `recording.failed`."""

    FILE_MISSING = "file_missing"  # the node died before it wrote anything, or its file was removed
    FILE_DAMAGED = "file_damaged"  # what lies there is no recording of ours
    NODE_LOST = "node_lost"  # its node died and never came back with the file


class Format(StrEnum):
    WAV = "wav"
    MP3 = "mp3"


class Command(StrEnum):
    """What is asked of a running recording; the row in `call_commands` has the kind `recording.<command>`."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class RecordingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    retention: timedelta = timedelta(days=90)
    link_lifetime: timedelta = timedelta(minutes=15)
    event_link_lifetime: timedelta = timedelta(hours=1)  # of `download_url` in recording.ready
    lost_after: timedelta = timedelta(days=3)  # a dead node's file is given up when it is not back by then


class StoredRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A row, with what is needed of its call."""

    id: UUID
    call_id: UUID
    session_id: str
    number_id: UUID
    workspace_id: UUID
    mode: Mode
    status: RecordingStatus
    channels: int
    object_key: str
    created_at: datetime
    duration_ms: int | None = None
    size_bytes: int | None = None
    mp3_size_bytes: int | None = None
    error: str | None = None
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    conference_id: UUID | None = None  # the conference it is of
    status_url: str | None = None  # told in Twilio's words when it is ready or has failed
    source: str | None = None  # what made it, in Twilio's words; only where somebody is told so

    @property
    def duration_seconds(self) -> int | None:
        """Whole seconds, rounded up."""
        return None if self.duration_ms is None else -(-self.duration_ms // 1000)


class RecordingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as the Call shows it."""

    id: UUID
    status: RecordingStatus
    channels: int
    duration_seconds: int | None
    size_bytes: int | None
    created_at: str


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as the API shows it. `channels` 2: what the far end said left, what it heard right.

    That of a conference names it, and belongs to the call that came first.
    """

    id: UUID
    call_id: UUID
    conference_id: UUID | None
    session_id: str
    mode: Mode
    status: RecordingStatus
    channels: int
    duration_seconds: int | None
    size_bytes: int | None
    error: str | None
    created_at: str
    ready_at: str | None
    expires_at: str | None
    deleted_at: str | None


def summary_of(stored: StoredRecording) -> RecordingSummary:
    return RecordingSummary(
        id=stored.id,
        status=stored.status,
        channels=stored.channels,
        duration_seconds=stored.duration_seconds,
        size_bytes=stored.size_bytes,
        created_at=rfc3339(stored.created_at),
    )


def shown_as(stored: StoredRecording) -> Recording:
    return Recording(
        id=stored.id,
        call_id=stored.call_id,
        conference_id=stored.conference_id,
        session_id=stored.session_id,
        mode=stored.mode,
        status=stored.status,
        channels=stored.channels,
        duration_seconds=stored.duration_seconds,
        size_bytes=stored.size_bytes,
        error=stored.error,
        created_at=rfc3339(stored.created_at),
        ready_at=shown(stored.ready_at),
        expires_at=shown(stored.expires_at),
        deleted_at=shown(stored.deleted_at),
    )
