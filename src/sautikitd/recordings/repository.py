"""The SQL of recordings. Each change of state names the states it may start from (`models.TRANSITIONS`)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode
from sautikitd.flow.port import RecordingTold
from sautikitd.recordings.models import TRANSITIONS, Failure, RecordingStatus, StoredRecording


class CallEvents(msgspec.Struct, frozen=True, kw_only=True):
    """What an event about a recording needs of its call; `sequence` is taken for that event."""

    sequence: int
    client_request_id: str | None
    webhook_url: str | None
    events_url: str | None


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recording is being written, and whether it was asked to stop."""

    node_id: UUID
    stopping: bool


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """Objects to be removed, claimed until `claimed_until`."""

    id: UUID
    object_key: str
    claimed_until: datetime


async def insert(
    connection: Connection,
    *,
    recording_id: UUID,
    call_id: UUID,
    workspace_id: UUID,
    mode: Mode,
    channels: int,
    node_id: UUID,
    spool_id: UUID,
    object_key: str,
    now: datetime,
    told: RecordingTold | None = None,
    conference_id: UUID | None = None,
) -> None:
    await connection.execute(
        """
        INSERT INTO recordings (id, call_id, workspace_id, mode, channels, node_id, spool_id, object_key, created_at,
                                conference_id, status_url, source)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        *(recording_id, call_id, workspace_id, mode, channels, node_id, spool_id, object_key, now),
        conference_id,
        *((told.url, told.source) if told else (None, None)),
    )


async def find(connection: Connection, recording_id: UUID) -> StoredRecording | None:
    return _stored(await connection.fetchrow(f"{_SELECT} WHERE r.id = $1", recording_id))


async def latest_of(connection: Connection, call_ids: Iterable[UUID]) -> list[StoredRecording]:
    """The newest of each call that has one."""
    rows = await connection.fetch(_LATEST, list(call_ids))
    return [stored for row in rows if (stored := _stored(row))]


async def list_of_call(
    connection: Connection, call_id: UUID, *, limit: int, before: UUID | None
) -> list[StoredRecording]:
    """Newest first, at most `limit + 1`."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE r.call_id = $1 AND ($2::uuid IS NULL OR r.id < $2) ORDER BY r.id DESC LIMIT $3",
        *(call_id, before, limit + 1),
    )
    return [stored for row in rows if (stored := _stored(row))]


async def lock_call(connection: Connection, recording_id: UUID) -> None:
    """Locks the call of a recording: always before the recording itself."""
    await connection.execute(
        "SELECT FROM calls WHERE id = (SELECT call_id FROM recordings WHERE id = $1) FOR NO KEY UPDATE",
        recording_id,
    )


async def ask_to_stop(connection: Connection, recording_id: UUID, now: datetime) -> None:
    await connection.execute(
        "UPDATE recordings SET stop_asked_at = coalesce(stop_asked_at, $2) WHERE id = $1", recording_id, now
    )


async def lock_running(connection: Connection, recording_id: UUID) -> Running | None:
    """Locks a recording that is being written; None for one that is not, or not by a node that is there."""
    row = await connection.fetchrow(_LOCK_RUNNING, recording_id)
    return None if row is None else Running(**dict(row.items()))


async def mark_processing(connection: Connection, recording_id: UUID) -> bool:
    return await _move(connection, recording_id, RecordingStatus.PROCESSING, "")


async def mark_ready(
    connection: Connection,
    recording_id: UUID,
    *,
    duration_ms: int,
    size_bytes: int,
    ready_at: datetime,
    expires_at: datetime,
) -> bool:
    assignments = ", duration_ms = $4, size_bytes = $5, ready_at = $6, expires_at = $7"
    values = (duration_ms, size_bytes, ready_at, expires_at)
    return await _move(connection, recording_id, RecordingStatus.READY, assignments, *values)


async def mark_failed(connection: Connection, recording_id: UUID, failure: Failure, now: datetime) -> bool:
    """Its upload may have got through all the same, so its object is to be purged."""
    assignments = ", error = $4, purge_after = $5"
    return await _move(connection, recording_id, RecordingStatus.FAILED, assignments, failure.value, now)


async def mark_deleted(connection: Connection, recording_id: UUID, now: datetime) -> bool:
    assignments = ", deleted_at = $4, purge_after = $4"
    return await _move(connection, recording_id, RecordingStatus.DELETED, assignments, now)


async def mark_expired(connection: Connection, now: datetime, *, limit: int) -> list[UUID]:
    rows = await connection.fetch(_EXPIRE, now, limit)
    return [row["id"] for row in rows]


async def mark_expired_in_test(
    connection: Connection, workspace_id: UUID, until: datetime, now: datetime
) -> None:
    """Ends those of a workspace's test mode that would expire by `until`, its own clock's time."""
    await connection.execute(_EXPIRE_IN_TEST, workspace_id, until, now)


async def mark_mp3(connection: Connection, recording_id: UUID, size_bytes: int) -> bool:
    """False when the recording is no longer there to have an MP3."""
    done = await connection.execute(
        "UPDATE recordings SET mp3_size_bytes = $2 WHERE id = $1 AND status = 'ready'",
        recording_id,
        size_bytes,
    )
    return bool(done == "UPDATE 1")


async def purge_again(connection: Connection, recording_id: UUID, now: datetime) -> None:
    """An object was written after its recording had gone: it is to be removed."""
    await connection.execute(
        "UPDATE recordings SET purge_after = $2 WHERE id = $1 AND status <> 'ready'", recording_id, now
    )


async def claim_purges(
    connection: Connection, now: datetime, claimed_until: datetime, *, limit: int, only: UUID | None
) -> list[Purge]:
    """Those due; what is not `purged` by `claimed_until` is due again."""
    rows = await connection.fetch(_CLAIM_PURGES, now, claimed_until, limit, only)
    return [Purge(id=row["id"], object_key=row["object_key"], claimed_until=claimed_until) for row in rows]


async def purged(connection: Connection, purge: Purge) -> None:
    """Nothing is left in the store, unless something was asked anew in the meantime."""
    await connection.execute(
        "UPDATE recordings SET purge_after = NULL WHERE id = $1 AND purge_after = $2",
        *(purge.id, purge.claimed_until),
    )


async def unfinished_in(connection: Connection, spool_id: UUID, now: datetime) -> list[UUID]:
    """Recordings of a spool that nobody else will finish: whole files, and all those of nodes that are dead or stopped."""
    rows = await connection.fetch(
        f"""
        SELECT r.id FROM recordings r
        WHERE r.spool_id = $1 AND (r.status = 'processing' OR (r.status = 'recording' AND {_NODE_DEAD.format(now="$2")}))
        ORDER BY r.id
        """,
        *(spool_id, now),
    )
    return [row["id"] for row in rows]


async def lost_since(connection: Connection, now: datetime, before: datetime, *, limit: int) -> list[UUID]:
    """Unfinished recordings of dead nodes, begun before `before`."""
    rows = await connection.fetch(
        f"""
        SELECT r.id FROM recordings r
        WHERE r.status IN ('recording', 'processing') AND r.created_at < $2 AND {_NODE_DEAD.format(now="$1")}
        ORDER BY r.id LIMIT $3
        """,
        *(now, before, limit),
    )
    return [row["id"] for row in rows]


async def statuses_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, RecordingStatus]:
    rows = await connection.fetch("SELECT id, status FROM recordings WHERE id = ANY ($1)", ids)
    return {row["id"]: RecordingStatus(row["status"]) for row in rows}


async def next_event(connection: Connection, call_id: UUID) -> CallEvents:
    row = await connection.fetchrow(
        """
        UPDATE calls SET event_sequence = event_sequence + 1 WHERE id = $1
        RETURNING event_sequence AS sequence, client_request_id, webhook_url, events_url
        """,
        call_id,
    )
    return CallEvents(**dict(row.items()))


async def _move(
    connection: Connection, recording_id: UUID, target: RecordingStatus, assignments: str, *values: Any
) -> bool:
    """False where the recording is in no state that leads to `target`; one that is there already stays as it is,
    but for `processing`, which may be entered again after a crash."""
    sources = [source.value for source, targets in TRANSITIONS.items() if target in targets]
    if target is RecordingStatus.PROCESSING:
        sources.append(target.value)
    done = await connection.execute(
        f"UPDATE recordings SET status = $2{assignments} WHERE id = $1 AND status = ANY ($3::recording_status[])",
        *(recording_id, target.value, sources, *values),
    )
    return bool(done == "UPDATE 1")


def _stored(row: Record | None) -> StoredRecording | None:
    return None if row is None else msgspec.convert(dict(row.items()), StoredRecording)


_COLUMNS = """
    r.id, r.call_id, c.session_id, c.number_id, r.workspace_id, r.mode, r.status, r.channels, r.object_key,
    r.created_at, r.duration_ms, r.size_bytes, r.mp3_size_bytes, r.error, r.ready_at, r.expires_at, r.deleted_at,
    r.conference_id, r.status_url, r.source
"""
_SELECT = f"SELECT {_COLUMNS} FROM recordings r JOIN calls c ON c.id = r.call_id"

_LATEST = f"""
SELECT DISTINCT ON (r.call_id) {_COLUMNS} FROM recordings r JOIN calls c ON c.id = r.call_id
WHERE r.call_id = ANY ($1) ORDER BY r.call_id, r.id DESC
"""

_LOCK_RUNNING = """
SELECT r.node_id, r.stop_asked_at IS NOT NULL AS stopping
FROM recordings r JOIN voice_nodes n ON n.id = r.node_id
WHERE r.id = $1 AND r.status = 'recording' AND n.stopped_at IS NULL FOR NO KEY UPDATE OF r
"""

_NODE_DEAD = """NOT EXISTS (
    SELECT FROM voice_nodes n WHERE n.id = r.node_id AND n.stopped_at IS NULL AND n.lease_until > {now})"""

_EXPIRE = """
UPDATE recordings SET status = 'expired', deleted_at = $1, purge_after = $1
WHERE id IN (
    SELECT id FROM recordings WHERE status = 'ready' AND expires_at <= $1
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_EXPIRE_IN_TEST = """
UPDATE recordings SET status = 'expired', deleted_at = $3, purge_after = $3
WHERE id = ANY (ARRAY(
    SELECT id FROM recordings WHERE workspace_id = $1 AND mode = 'test' AND status = 'ready' AND expires_at <= $2
    ORDER BY expires_at FOR UPDATE SKIP LOCKED))
"""

_CLAIM_PURGES = """
UPDATE recordings SET purge_after = $2
WHERE id IN (
    SELECT id FROM recordings WHERE purge_after <= $1 AND ($4::uuid IS NULL OR id = $4)
    ORDER BY purge_after LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING id, object_key
"""
