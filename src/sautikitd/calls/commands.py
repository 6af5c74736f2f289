"""What is asked of a live call, as rows for the node that runs it: the API never speaks to a node."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7

CHANNEL = "call_commands"


class CommandKind(StrEnum):
    HANGUP = "hangup"
    DTMF = "dtmf"
    FLOW_REPLACE = "flow.replace"
    CONTROL_RESPOND = "control.respond"
    SUPERVISION_START = "supervision.start"
    SUPERVISION_CHANGE = "supervision.change"
    SUPERVISION_STOP = "supervision.stop"
    RECORDING_START = "recording.start"
    RECORDING_PAUSE = "recording.pause"
    RECORDING_RESUME = "recording.resume"
    RECORDING_STOP = "recording.stop"
    TRANSFER_MEET = "transfer.meet"  # asked by another node, never by the API, as is the next
    TRANSFER_REFER = "transfer.refer"


class Command(msgspec.Struct, frozen=True):
    id: UUID
    call_id: UUID
    kind: str
    payload: dict[str, Any]


async def give(
    connection: Connection,
    call_id: UUID,
    kind: CommandKind,
    now: datetime,
    payload: dict[str, Any] | None = None,
    *,
    node_id: UUID | None = None,
    command_id: UUID | None = None,
) -> None:
    """To the node that runs the call; to `node_id`, where given, also when the call has ended: what it acts on outlives it."""
    await connection.execute(_GIVE, command_id or uuid7(), call_id, node_id, kind, payload or {}, now)


async def take(connection: Connection, node_id: UUID) -> Sequence[Command]:
    """The commands waiting for a node and its calls, oldest first. They stay until `done` is told of them."""
    rows = await connection.fetch(_TAKE, node_id)
    return [Command(row["id"], row["call_id"], row["kind"], row["payload"]) for row in rows]


async def done(connection: Connection, outcomes: dict[UUID, str], now: datetime) -> None:
    """What they came to, where nobody has settled it before."""
    await connection.execute(_DONE, list(outcomes), list(outcomes.values()), now)


async def settle(connection: Connection, command_id: UUID, outcome: str, now: datetime) -> bool:
    """Says what a command comes to, in the transaction of its effect; False when somebody has said so before, who
    has withdrawn it."""
    settled = await connection.execute(_SETTLE, command_id, outcome, now)
    return bool(settled == "UPDATE 1")


async def amend(connection: Connection, command_id: UUID, said: str, outcome: str) -> None:
    """What came in the end of a command that was settled as `said`: it takes longer than a node may wait."""
    await connection.execute(_AMEND, command_id, said, outcome)


async def outcome_of(connection: Connection, command_id: UUID) -> str | None:
    """None while it waits."""
    outcome: str | None = await connection.fetchval(_OUTCOME, command_id)
    return outcome


_GIVE = """
INSERT INTO call_commands (id, call_id, node_id, kind, payload, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

_TAKE = """
SELECT call_commands.id, call_id, kind, payload
FROM call_commands JOIN calls ON calls.id = call_commands.call_id
WHERE calls.node_id = $1 AND calls.status IN ('ringing', 'answered')
    AND call_commands.node_id IS NULL AND call_commands.done_at IS NULL
UNION ALL
SELECT id, call_id, kind, payload FROM call_commands WHERE node_id = $1 AND done_at IS NULL
ORDER BY id
"""

_DONE = """
UPDATE call_commands SET done_at = $3, outcome = finished.outcome
FROM unnest($1::uuid[], $2::text[]) AS finished (id, outcome)
WHERE call_commands.id = finished.id AND call_commands.done_at IS NULL
"""

_SETTLE = """
UPDATE call_commands SET done_at = $3, outcome = $2 WHERE id = $1 AND done_at IS NULL
"""

_AMEND = """
UPDATE call_commands SET outcome = $3 WHERE id = $1 AND outcome = $2
"""

_OUTCOME = """
SELECT outcome FROM call_commands WHERE id = $1 AND done_at IS NOT NULL
"""
