"""Numbers for the public events of a call, for rooms that write events of their own about it."""

from uuid import UUID

from sautikitd.calls import repository
from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection


async def next_sequence(connection: Connection, call_id: UUID) -> int:
    """The `sequence` of the event that is about to be written; locks the call until the transaction ends."""
    number: int = await connection.fetchval(_NEXT, call_id)
    return number


async def locked(connection: Connection, call_id: UUID) -> CallRecord | None:
    """The call, locked until the transaction ends."""
    return await repository.lock(connection, call_id)


_NEXT = "UPDATE calls SET event_sequence = event_sequence + 1 WHERE id = $1 RETURNING event_sequence"
