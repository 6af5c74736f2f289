"""Voice nodes and the calls they run.

A node renews one lease for all its calls every five seconds. A node that could not for 15 s hangs its calls
up itself; at 20 s the lease lapses, and only then does somebody else end them, billed to the last renewal.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Connection

RENEW_EVERY = timedelta(seconds=5)
GIVE_UP_AFTER = timedelta(seconds=15)
LEASE = timedelta(seconds=20)

CARRIER_FORGETS_AFTER = timedelta(hours=4)
"""After the end that we know of, when nobody answers the BYE of an answered call."""

NOBODY_RINGS_AFTER = timedelta(minutes=5)
"""The same of a call that was not answered: proxies give an INVITE up after little more than three (RFC 3261 §16.6)."""

_ALL_IS_SAID_AFTER = timedelta(seconds=32) + LEASE + timedelta(seconds=8)
"""An INVITE or a BYE has been answered or given up 32 s after it left (RFC 3261 §17.1), and a node with a lease at this time
lived then, so it has called off whatever spoke."""


@dataclass(frozen=True)
class Reaped:
    """A call ended for a dead node, and what ends it at the carrier."""

    call: CallRecord
    dialog: dict[str, Any] | None


@dataclass(frozen=True)
class Orphan:
    """What a dead node left at a carrier: `dialog` is what a CANCEL or BYE needs, `trunk_id` the way there."""

    call_id: UUID
    trunk_id: UUID | None
    dialog: dict[str, Any]


async def register(
    connection: Connection, node_id: UUID, address: tuple[str, int], capacity: int, now: datetime
) -> None:
    """`address` is where other nodes reach its SIP, over TCP."""
    await connection.execute(_REGISTER, node_id, *address, capacity, now, now + LEASE)


async def addresses_of(connection: Connection, node_ids: Collection[UUID]) -> dict[UUID, tuple[str, int]]:
    """Where the nodes' SIP is reached."""
    rows = await connection.fetch(
        "SELECT id, host, port FROM voice_nodes WHERE id = ANY ($1)", list(node_ids)
    )
    return {row["id"]: (row["host"], row["port"]) for row in rows}


async def renew(connection: Connection, node_id: UUID, now: datetime) -> bool:
    """Renews the lease; False when it had lapsed, and the node's calls may be another's to end."""
    renewed = await connection.execute(_RENEW, node_id, now, now + LEASE)
    return bool(renewed == "UPDATE 1")


async def stop(connection: Connection, node_id: UUID, now: datetime) -> None:
    """Says that the node has ended all its calls and is gone."""
    await connection.execute("UPDATE voice_nodes SET stopped_at = $2 WHERE id = $1", node_id, now)


async def lapsed(connection: Connection, now: datetime) -> list[UUID]:
    """Nodes whose lease has run out and whose calls nobody has ended yet."""
    rows = await connection.fetch(_LAPSED, now)
    return [row["id"] for row in rows]


async def reap(
    connection: Connection, lifecycle: CallLifecycle, node_id: UUID, now: datetime, limit: int = 50
) -> list[Reaped]:
    """Ends up to `limit` calls of a lapsed node as `node_lost`; marks the node stopped once none is left.

    Two reapers at once share the work: each skips the calls the other has locked.
    """
    rows = await connection.fetch(_CALLS_OF, node_id, limit)
    reaped = []
    for row in rows:
        ending = Ending(cause=HangupCause.NODE_LOST, by=HangupBy.PLATFORM, at=row["renewed_at"])
        ended = await lifecycle.end(connection, row["id"], ending, keep_dialog=True)
        if ended and ended[1]:
            reaped.append(Reaped(ended[0], ended[0].dialog))
    if not rows:
        await connection.execute(_STOP_IF_EMPTY, node_id, now)
    return reaped


async def orphan_dialogs(connection: Connection, now: datetime, limit: int = 50) -> Sequence[Orphan]:
    """Ended calls whose carrier's leg has not been ended yet, and whose node will not do it any more."""
    rows = await connection.fetch(_ORPHANS, now, limit)
    return [Orphan(row["id"], row["trunk_id"], row["dialog"]) for row in rows]


async def forget_dialog(connection: Connection, call_id: UUID) -> None:
    """The carrier's leg of an ended call is ended too, or was not there any more."""
    await connection.execute("UPDATE calls SET dialog = NULL WHERE id = $1 AND ended_at IS NOT NULL", call_id)


async def keep_unfinished(
    connection: Connection, node_id: UUID, unfinished: Mapping[UUID, dict[str, Any] | None]
) -> None:
    """What ended calls of the node have still to do at the carrier, by call; None: nothing any more."""
    kept = [stored and msgspec.json.encode(stored).decode() for stored in unfinished.values()]
    await connection.execute(_KEEP_UNFINISHED, node_id, list(unfinished), kept)


async def forget_old_dialogs(connection: Connection, now: datetime) -> None:
    """Of calls that no carrier has any more, or whose node has lived on to see the end of their INVITEs."""
    await connection.execute(
        _FORGET_OLD, now, now - CARRIER_FORGETS_AFTER, now - NOBODY_RINGS_AFTER, now - _ALL_IS_SAID_AFTER
    )


_REGISTER = """
INSERT INTO voice_nodes (id, host, port, capacity, started_at, renewed_at, lease_until)
VALUES ($1, $2, $3, $4, $5, $5, $6)
"""

_RENEW = """
UPDATE voice_nodes SET renewed_at = $2, lease_until = $3 WHERE id = $1 AND lease_until > $2 AND stopped_at IS NULL
"""

_LAPSED = """
SELECT id FROM voice_nodes WHERE lease_until <= $1 AND stopped_at IS NULL ORDER BY lease_until LIMIT 20
"""

_CALLS_OF = """
SELECT calls.id, greatest(voice_nodes.renewed_at, calls.created_at) AS renewed_at
FROM calls JOIN voice_nodes ON voice_nodes.id = calls.node_id
WHERE calls.node_id = $1 AND calls.status IN ('ringing', 'answered')
ORDER BY calls.id LIMIT $2 FOR UPDATE OF calls SKIP LOCKED
"""

_STOP_IF_EMPTY = """
UPDATE voice_nodes SET stopped_at = $2 WHERE id = $1 AND NOT EXISTS (
    SELECT FROM calls WHERE node_id = $1 AND status IN ('ringing', 'answered'))
"""

_LIVES = """
EXISTS (SELECT FROM voice_nodes node WHERE node.id = calls.node_id AND node.stopped_at IS NULL AND node.lease_until > $1)
"""

_ORPHANS = f"""
SELECT id, trunk_id, dialog FROM calls
WHERE dialog IS NOT NULL AND ended_at IS NOT NULL AND NOT {_LIVES}
ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_KEEP_UNFINISHED = """
UPDATE calls SET dialog = left_over.dialog::jsonb
FROM unnest($2::uuid[], $3::text[]) AS left_over (id, dialog)
WHERE calls.id = left_over.id AND calls.id = ANY ($2) AND node_id = $1 AND ended_at IS NOT NULL
"""

_FORGET_OLD = f"""
UPDATE calls SET dialog = NULL
WHERE dialog IS NOT NULL AND ended_at IS NOT NULL
  AND (ended_at <= $2 OR ended_at <= $3 AND NOT dialog ?| '{{dialog,dialogs}}' OR ended_at <= $4 AND {_LIVES})
"""
