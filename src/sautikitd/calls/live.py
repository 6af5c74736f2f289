"""Reaching a live call: it must be there, and its node must be."""

from datetime import datetime, timedelta
from uuid import UUID

from sautikitd.calls import repository
from sautikitd.calls.errors import CallNotLive, NodeSilent, NotAnswered
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.database.pool import Connection

SILENT_AFTER = timedelta(seconds=12)
"""A node renews its lease every five seconds: one that was twice overdue may not be there to act."""


async def lock_live(connection: Connection, call_id: UUID, heard_by: datetime) -> CallRecord:
    """The call, locked, of any live status. Raises `CallNotLive`, and `NodeSilent` when the node that runs it has
    not been heard of at `heard_by` (the platform's own time, not a test clock's)."""
    call = await repository.lock(connection, call_id)
    if call is None or call.status.terminal:
        raise CallNotLive(state=call.status if call else "unknown")
    if call.node_id is not None:
        await refuse_silent(connection, call.node_id, heard_by)
    return call


async def refuse_silent(connection: Connection, node_id: UUID, heard_by: datetime) -> None:
    """Raises `NodeSilent` when the node has not been heard of at `heard_by`."""
    renewed: datetime = await connection.fetchval(_RENEWED, node_id)
    if heard_by - renewed > SILENT_AFTER:
        raise NodeSilent(seconds=int((heard_by - renewed).total_seconds()))


async def lock_answered(connection: Connection, call_id: UUID, heard_by: datetime) -> CallRecord:
    """Like `lock_live`, of a call that has been answered. Raises also `NotAnswered`."""
    call = await lock_live(connection, call_id, heard_by)
    if call.status is not CallStatus.ANSWERED:
        raise NotAnswered(state=call.status)
    return call


_RENEWED = "SELECT renewed_at FROM voice_nodes WHERE id = $1"
