"""SQL of bindings: where devices are."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.devices.models import Binding, Whereabouts
from sautikitd.events.models import Mode


async def stale(connection: Connection, credential_id: UUID, call_id: str, cseq: int) -> bool:
    """Whether a later REGISTER of the same device has been dealt with already (RFC 3261 §10.3, step 7)."""
    found: bool = await connection.fetchval(_STALE, credential_id, call_id, cseq)
    return found


async def put(connection: Connection, binding: Binding, *, device: str, call_id: str, cseq: int) -> None:
    """Adds a device, or moves it to where it is now."""
    await connection.execute(
        _PUT,
        binding.id,
        binding.credential_id,
        device,
        binding.contact,
        binding.node_id,
        binding.transport,
        binding.host,
        binding.port,
        binding.user_agent,
        call_id,
        cseq,
        binding.registered_at,
        binding.expires_at,
    )


async def remove(connection: Connection, credential_id: UUID, device: str | None = None) -> None:
    """Removes one device of a credential, or all."""
    await connection.execute(_REMOVE, credential_id, device)


async def remove_oldest(connection: Connection, credential_id: UUID, keep: int) -> None:
    await connection.execute(_REMOVE_OLDEST, credential_id, keep)


async def remove_connection(connection: Connection, where: Whereabouts) -> int:
    """Removes what was registered over a connection that is gone; returns how many."""
    rows = await connection.fetch(_REMOVE_CONNECTION, where.node_id, where.transport, where.host, where.port)
    return len(rows)


async def remove_expired(connection: Connection, now: datetime, limit: int) -> int:
    return len(await connection.fetch(_REMOVE_EXPIRED, now, limit))


async def of_credentials(
    connection: Connection, credential_ids: Sequence[UUID], now: datetime
) -> dict[UUID, list[Binding]]:
    """The devices of each that can be rung now, the latest first."""
    found: dict[UUID, list[Binding]] = {}
    for row in await connection.fetch(_OF_CREDENTIALS, list(credential_ids), now):
        found.setdefault(row["credential_id"], []).append(_binding(row))
    return found


async def of_name(
    connection: Connection, workspace_id: UUID, mode: Mode, name: str, now: datetime, limit: int
) -> list[Binding]:
    """The devices of a workspace that answer to a username or a token's identity, the latest first."""
    rows = await connection.fetch(_OF_NAME, workspace_id, mode, name, now, limit)
    return [_binding(row) for row in rows]


def _binding(row: Record) -> Binding:
    return Binding(**{name: row[name] for name in Binding.__struct_fields__})


_COLUMNS = ", ".join(f"b.{name}" for name in Binding.__struct_fields__)

# A datagram reaches a device from any process; a connection ends with the one that holds it.
_REACHABLE = """
b.expires_at > {now} AND (b.transport = 'udp' OR (v.lease_until > {now} AND v.stopped_at IS NULL))
"""

_STALE = "SELECT EXISTS (SELECT FROM sip_bindings WHERE credential_id = $1 AND call_id = $2 AND cseq >= $3)"

_PUT = """
INSERT INTO sip_bindings (id, credential_id, device, contact, node_id, transport, host, port, user_agent, call_id, cseq,
                          registered_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (credential_id, device) DO UPDATE SET
    contact = excluded.contact, node_id = excluded.node_id, transport = excluded.transport, host = excluded.host,
    port = excluded.port, user_agent = excluded.user_agent, call_id = excluded.call_id, cseq = excluded.cseq,
    registered_at = excluded.registered_at, expires_at = excluded.expires_at
"""

_REMOVE = "DELETE FROM sip_bindings WHERE credential_id = $1 AND ($2::text IS NULL OR device = $2)"

_REMOVE_OLDEST = """
DELETE FROM sip_bindings WHERE id IN (
    SELECT id FROM sip_bindings WHERE credential_id = $1 ORDER BY registered_at DESC, id DESC OFFSET $2)
"""

_REMOVE_CONNECTION = """
DELETE FROM sip_bindings WHERE node_id = $1 AND transport = $2 AND host = $3 AND port = $4 RETURNING id
"""

_REMOVE_EXPIRED = """
DELETE FROM sip_bindings WHERE id IN (
    SELECT id FROM sip_bindings WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_OF_CREDENTIALS = f"""
SELECT {_COLUMNS} FROM sip_bindings b JOIN voice_nodes v ON v.id = b.node_id
WHERE b.credential_id = ANY ($1) AND {_REACHABLE.format(now="$2")}
ORDER BY b.registered_at DESC, b.id DESC
"""

_OF_NAME = f"""
SELECT {_COLUMNS} FROM sip_credentials c
JOIN sip_bindings b ON b.credential_id = c.id
JOIN voice_nodes v ON v.id = b.node_id
WHERE c.workspace_id = $1 AND c.mode = $2 AND (c.username = $3 OR c.identity = $3)
  AND (c.expires_at IS NULL OR c.expires_at > $4) AND {_REACHABLE.format(now="$4")}
ORDER BY b.registered_at DESC, b.id DESC LIMIT $5
"""
