"""The SQL of uploaded sound files."""

from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode
from sautikitd.uploads.models import StoredUpload


async def count(connection: Connection, workspace_id: UUID, mode: Mode) -> int:
    found: int = await connection.fetchval(
        "SELECT count(*) FROM audio_uploads WHERE workspace_id = $1 AND mode = $2 AND deleted_at IS NULL",
        *(workspace_id, mode),
    )
    return found


async def insert(connection: Connection, upload: StoredUpload) -> None:
    await connection.execute(
        """
        INSERT INTO audio_uploads (id, workspace_id, mode, name, format, size_bytes, duration_ms, sha256, object_key,
                                   created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        *msgspec.structs.astuple(upload),
    )


async def find(
    connection: Connection, upload_id: UUID, workspace_id: UUID, mode: Mode
) -> StoredUpload | None:
    """One that is not deleted."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE id = $1 AND workspace_id = $2 AND mode = $3 AND deleted_at IS NULL",
        *(upload_id, workspace_id, mode),
    )
    return None if row is None else _stored(row)


async def newest(
    connection: Connection, workspace_id: UUID, mode: Mode, *, limit: int, before: UUID | None
) -> list[StoredUpload]:
    """Newest first, at most `limit + 1`."""
    rows = await connection.fetch(
        f"""{_SELECT} WHERE workspace_id = $1 AND mode = $2 AND deleted_at IS NULL AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4""",
        *(workspace_id, mode, before, limit + 1),
    )
    return [_stored(row) for row in rows]


async def mark_deleted(
    connection: Connection, upload_id: UUID, workspace_id: UUID, mode: Mode, now: datetime
) -> bool:
    """False where there is none, or it is deleted already."""
    done = await connection.execute(
        """
        UPDATE audio_uploads SET deleted_at = $4, purge_after = $4
        WHERE id = $1 AND workspace_id = $2 AND mode = $3 AND deleted_at IS NULL
        """,
        *(upload_id, workspace_id, mode, now),
    )
    return bool(done == "UPDATE 1")


async def claim_purges(
    connection: Connection, now: datetime, again_at: datetime, limit: int
) -> list[tuple[UUID, str]]:
    """Deleted ones whose objects are to go: id and key. What is not `purged` is due again at `again_at`."""
    rows = await connection.fetch(_CLAIM_PURGES, now, again_at, limit)
    return [(row["id"], row["object_key"]) for row in rows]


async def purged(connection: Connection, upload_id: UUID) -> None:
    await connection.execute("UPDATE audio_uploads SET purge_after = NULL WHERE id = $1", upload_id)


def _stored(row: Record) -> StoredUpload:
    return msgspec.convert(dict(row.items()), StoredUpload)


_SELECT = """
SELECT id, workspace_id, mode, name, format, size_bytes, duration_ms, sha256, object_key, created_at
FROM audio_uploads
"""

_CLAIM_PURGES = """
UPDATE audio_uploads SET purge_after = $2
WHERE id IN (
    SELECT id FROM audio_uploads WHERE purge_after <= $1 ORDER BY purge_after LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING id, object_key
"""
