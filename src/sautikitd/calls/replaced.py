"""The call that holds a dialog which a Replaces names (RFC 3891 §3), on whatever node it runs."""

from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.live import SILENT_AFTER
from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection

Dialog = tuple[str, str, str]
"""Call-ID, our tag, their tag; compared as they are, capitals and all."""


class Holder(msgspec.Struct, frozen=True):
    """`node_id` runs the call, and has been heard of a moment ago."""

    call_id: UUID
    node_id: UUID


async def holder(
    connection: Connection, asking: CallRecord, asking_node: UUID, dialog: Dialog, heard_by: datetime
) -> Holder | None:
    """The one answered call of the workspace and mode of `asking` that holds the dialog, on another node than
    `asking_node`; None where there is none, or more than one, or its node is silent at `heard_by`."""
    rows = await connection.fetch(
        _HOLDERS, asking.workspace_id, asking.mode, *dialog, asking_node, heard_by - SILENT_AFTER
    )
    return Holder(rows[0]["id"], rows[0]["node_id"]) if len(rows) == 1 else None


async def dialled_leg(connection: Connection, beside: CallRecord, call_id: UUID) -> CallRecord | None:
    """A call of the workspace of `beside` as it is now, where it is a leg that was dialled for another."""
    call = await repository.find(connection, beside.workspace_id, beside.mode, call_id)
    return call if call is not None and call.parent_call_id is not None else None


_HOLDERS = """
SELECT calls.id, calls.node_id FROM calls JOIN voice_nodes ON voice_nodes.id = calls.node_id
WHERE calls.workspace_id = $1 AND calls.mode = $2 AND calls.status = 'answered'
  AND dialog #>> '{dialog,call_id}' = $3
  AND dialog #>> '{dialog,local_tag}' = $4 AND dialog #>> '{dialog,remote_tag}' = $5
  AND calls.node_id <> $6 AND voice_nodes.stopped_at IS NULL AND voice_nodes.renewed_at >= $7
LIMIT 2
"""
