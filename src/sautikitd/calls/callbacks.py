"""The log of voice callbacks: what was asked, what came back, how long it took; kept 30 days."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.timestamps import rfc3339


class VoiceCallback(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a voice callback URL. `response.body` is cut at 4 KiB; sensitive digits are masked."""

    id: UUID
    call_id: UUID
    url: str
    method: str
    request: dict[str, Any]
    response_status: int | None
    response_body: str | None
    outcome: str
    error: str | None
    attempt: int
    duration_ms: int
    created_at: str


async def page(
    connection: Connection, call_id: UUID, before: UUID | None, limit: int
) -> Sequence[VoiceCallback]:
    rows = await connection.fetch(_PAGE, call_id, before, limit)
    return [
        VoiceCallback(
            created_at=rfc3339(row["created_at"]),
            **{name: row[name] for name in VoiceCallback.__struct_fields__ if name != "created_at"},
        )
        for row in rows
    ]


async def forget_before(connection: Connection, moment: datetime, limit: int = 5000) -> int:
    """Deletes callbacks older than `moment`, at most `limit`; returns how many."""
    deleted = await connection.execute(_FORGET, moment, limit)
    return int(deleted.rpartition(" ")[2])


_PAGE = """
SELECT * FROM voice_callbacks WHERE call_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""

_FORGET = """
DELETE FROM voice_callbacks WHERE id IN (SELECT id FROM voice_callbacks WHERE created_at < $1 ORDER BY created_at LIMIT $2)
"""
