"""The SQL of transcriptions."""

from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.transcription.models import StoredTranscription


class CallEvents(msgspec.Struct, frozen=True, kw_only=True):
    """What an event needs of its call; `sequence` is taken for that event."""

    sequence: int
    client_request_id: str | None
    webhook_url: str | None
    events_url: str | None


async def insert(
    connection: Connection, recording_id: UUID, language: str | None, callback_url: str | None, now: datetime
) -> None:
    await connection.execute(
        """
        INSERT INTO transcriptions (recording_id, wanted_language, callback_url, due_at, created_at)
        VALUES ($1, $2, $3, $4, $4)
        """,
        *(recording_id, language, callback_url, now),
    )


async def find(connection: Connection, recording_id: UUID) -> StoredTranscription | None:
    return _stored(await connection.fetchrow(f"{_SELECT} WHERE t.recording_id = $1", recording_id))


async def claim(connection: Connection, now: datetime, until: datetime) -> StoredTranscription | None:
    """One that is due, its recording at rest; nobody else gets it before `until`. Counts an attempt."""
    recording_id = await connection.fetchval(_CLAIM, now, until)
    return None if recording_id is None else await find(connection, recording_id)


async def postpone(connection: Connection, recording_id: UUID, attempts: int, due_at: datetime) -> None:
    """Another try at `due_at`, unless somebody else has taken it over."""
    await connection.execute(
        "UPDATE transcriptions SET due_at = $3 WHERE recording_id = $1 AND status = 'pending' AND attempts = $2",
        *(recording_id, attempts, due_at),
    )


async def settle(
    connection: Connection,
    recording_id: UUID,
    *,
    text: str | None,
    language: str | None,
    engine: str,
    error: str | None,
    now: datetime,
) -> bool:
    """`completed`, or with an `error` `failed`; False where it was settled before. The words of a recording that is
    gone meanwhile are not kept."""
    done = await connection.execute(_SETTLE, recording_id, text, language, engine, error, now)
    return bool(done == "UPDATE 1")


async def owe_callback(connection: Connection, recording_id: UUID, due_at: datetime | None) -> None:
    """Its callback is to be sent at `due_at`; None: no more."""
    await connection.execute(
        "UPDATE transcriptions SET callback_due_at = $2 WHERE recording_id = $1", recording_id, due_at
    )


async def claim_callback(
    connection: Connection, now: datetime, until: datetime
) -> StoredTranscription | None:
    """One whose callback is due; nobody else gets it before `until`. Counts an attempt."""
    recording_id = await connection.fetchval(_CLAIM_CALLBACK, now, until)
    return None if recording_id is None else await find(connection, recording_id)


async def lock_call(connection: Connection, call_id: UUID) -> None:
    """Always before the transcription itself."""
    await connection.execute("SELECT FROM calls WHERE id = $1 FOR NO KEY UPDATE", call_id)


async def next_event(connection: Connection, call_id: UUID) -> CallEvents:
    row = await connection.fetchrow(_NEXT_EVENT, call_id)
    return CallEvents(**dict(row.items()))


def _stored(row: Record | None) -> StoredTranscription | None:
    return None if row is None else msgspec.convert(dict(row.items()), StoredTranscription)


_SELECT = """
SELECT t.recording_id, r.call_id, c.session_id, c.number_id, c.direction, c.status AS call_status, c.from_address,
       c.to_address, c.callback_format, c.client_request_id, r.workspace_id, r.mode, r.status AS recording_status,
       r.object_key, t.callback_attempts, t.status,
       t.wanted_language, t.callback_url, t.text, t.language, t.engine, t.error, t.attempts,
       t.created_at, t.completed_at
FROM transcriptions t JOIN recordings r ON r.id = t.recording_id JOIN calls c ON c.id = r.call_id
"""

_CLAIM = """
UPDATE transcriptions SET attempts = attempts + 1, due_at = $2
WHERE recording_id = (
    SELECT t.recording_id FROM transcriptions t JOIN recordings r ON r.id = t.recording_id
    WHERE t.status = 'pending' AND t.due_at <= $1 AND r.status NOT IN ('recording', 'processing')
    ORDER BY t.due_at LIMIT 1 FOR UPDATE OF t SKIP LOCKED)
RETURNING recording_id
"""

_CLAIM_CALLBACK = """
UPDATE transcriptions SET callback_attempts = callback_attempts + 1, callback_due_at = $2
WHERE recording_id = (
    SELECT recording_id FROM transcriptions WHERE callback_due_at <= $1
    ORDER BY callback_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING recording_id
"""

_SETTLE = """
UPDATE transcriptions t SET
    status = CASE WHEN $5::text IS NULL THEN 'completed' ELSE 'failed' END::transcription_status,
    text = CASE WHEN r.status = 'ready' THEN $2 END, language = $3, engine = $4, error = $5, completed_at = $6
FROM recordings r WHERE t.recording_id = $1 AND t.status = 'pending' AND r.id = t.recording_id
"""

_NEXT_EVENT = """
UPDATE calls SET event_sequence = event_sequence + 1 WHERE id = $1
RETURNING event_sequence AS sequence, client_request_id, webhook_url, events_url
"""
