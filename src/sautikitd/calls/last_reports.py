"""Who is owed a last report on a call: written with the call's end, and struck off when it was told.

Whoever ends a call and can tell of it claims the report in that transaction. Of all others, and when he dies before
he has told it, any voice node takes it up: so it is told whatever the call ends by, and twice only when a node dies
between telling it and striking it off.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sautikitd.calls.models import COLUMNS, CallRecord, record_of
from sautikitd.database.pool import Connection

CLAIM = timedelta(seconds=60)
"""Longer than telling takes: a few seconds until a recording is stored, and ten for the callback."""


def owed(call: CallRecord) -> bool:
    """Whether a call has somebody who wants to know. Legs of a call and calls of devices have no flow; a controlled
    call tells its controller; in Twilio's vocabulary it is the status callback that is told."""
    if call.parent_call_id is not None or call.by_device or call.control is not None:
        return False
    url = call.status_callback_url if call.callback_format == "twilio" else call.voice_callback_url
    return url is not None


async def owe(connection: Connection, claims: Sequence[tuple[UUID, datetime | None]]) -> None:
    """Calls that have ended, each with until when somebody has claimed its report."""
    if claims:
        await connection.execute(_OWE, [call_id for call_id, _ in claims], [until for _, until in claims])


async def claim(connection: Connection, now: datetime, limit: int) -> list[CallRecord]:
    """Calls whose report nobody is telling; they are the caller's until `now` + `CLAIM`."""
    rows = await connection.fetch(_CLAIM, now, now + CLAIM, limit)
    return [record_of(row) for row in rows]


async def told(connection: Connection, call_id: UUID) -> None:
    await connection.execute("DELETE FROM last_reports WHERE call_id = $1", call_id)


_OWE = """
INSERT INTO last_reports (call_id, claimed_until)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) ON CONFLICT DO NOTHING
"""

_CLAIM = f"""
WITH claimed AS (
    UPDATE last_reports SET claimed_until = $2 WHERE call_id IN (
        SELECT call_id FROM last_reports WHERE claimed_until IS NULL OR claimed_until <= $1
        ORDER BY claimed_until NULLS FIRST LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING call_id)
SELECT {COLUMNS} FROM calls JOIN claimed ON claimed.call_id = calls.id
"""
