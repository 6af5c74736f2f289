"""SQL of trunks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.trunks.models import Codec, InboundNumber, Transport, Trunk, TrunkState, TrunkTerms
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.number_forms import NumberForm

TERMS = TrunkTerms.__struct_fields__
_CASTS = {"source_cidrs": "::text[]::cidr[]"}

COLUMNS = ", ".join(
    "source_cidrs::text[] AS source_cidrs" if field == "source_cidrs" else field
    for field in Trunk.__struct_fields__
)

_INSERT = f"""
INSERT INTO trunks (id, name, password_encrypted, created_at, mode, {", ".join(TERMS)})
VALUES ($1, $2, $3, $4, 'live', {", ".join(f"${n}{_CASTS.get(f, '')}" for n, f in enumerate(TERMS, start=5))})
ON CONFLICT (name) DO NOTHING
RETURNING {COLUMNS}
"""

_UPDATE = f"""
UPDATE trunks SET {", ".join(f"{f} = ${n}{_CASTS.get(f, '')}" for n, f in enumerate(TERMS, start=2))}
WHERE id = $1 RETURNING {COLUMNS}
"""

_ALL = f"SELECT {COLUMNS} FROM trunks WHERE mode = 'live' AND removed_at IS NULL ORDER BY name"

_BY_NAME = f"SELECT {COLUMNS} FROM trunks WHERE mode = 'live' AND name = $1"

_LEASE = """
UPDATE trunks SET registrar_id = $2, registrar_until = $4
WHERE id = ANY ($1) AND (registrar_id = $2 OR registrar_until IS NULL OR registrar_until <= $3)
RETURNING id
"""

_RELEASE = "UPDATE trunks SET registrar_id = NULL, registrar_until = NULL WHERE registrar_id = $1"

_LIVE_CALLS = "SELECT count(*) FROM calls WHERE trunk_id = $1 AND status IN ('ringing', 'answered')"

_EVER_USED = "SELECT EXISTS (SELECT FROM calls WHERE trunk_id = $1)"

# Calls refer to the trunk they went over, so one that was used is only put out of service, and frees its name.
_RETIRE = """
UPDATE trunks SET enabled = false, name = name || ' (removed ' || id || ')', username = NULL,
                  password_encrypted = NULL, register = false, removed_at = $2
WHERE id = $1
"""


async def insert(
    connection: Connection,
    made: UUID,
    name: str,
    terms: TrunkTerms,
    sealed_password: bytes | None,
    now: datetime,
) -> Trunk | None:
    """None when the name is taken."""
    row = await connection.fetchrow(_INSERT, made, name, sealed_password, now, *_values(terms))
    return None if row is None else trunk_of(row)


async def update(connection: Connection, trunk_id: UUID, terms: TrunkTerms) -> Trunk:
    return trunk_of(await connection.fetchrow(_UPDATE, trunk_id, *_values(terms)))


async def set_password(connection: Connection, trunk_id: UUID, sealed: bytes | None) -> None:
    await connection.execute("UPDATE trunks SET password_encrypted = $2 WHERE id = $1", trunk_id, sealed)


async def all_of(connection: Connection) -> list[Trunk]:
    return [trunk_of(row) for row in await connection.fetch(_ALL)]


async def find(connection: Connection, name: str) -> Trunk | None:
    row = await connection.fetchrow(_BY_NAME, name)
    return None if row is None else trunk_of(row)


async def sealed_password(connection: Connection, trunk_id: UUID) -> bytes | None:
    sealed: bytes | None = await connection.fetchval(
        "SELECT password_encrypted FROM trunks WHERE id = $1", trunk_id
    )
    return sealed


async def sealed_passwords(connection: Connection) -> dict[UUID, bytes]:
    """Of every trunk that has one."""
    rows = await connection.fetch(
        "SELECT id, password_encrypted FROM trunks WHERE password_encrypted IS NOT NULL"
    )
    return {row["id"]: row["password_encrypted"] for row in rows}


async def set_state(connection: Connection, trunk_id: UUID, state: str, detail: str, now: datetime) -> None:
    await connection.execute(
        "UPDATE trunks SET state = $2, state_detail = $3, state_at = $4 WHERE id = $1",
        trunk_id,
        state,
        detail,
        now,
    )


async def lease_registrations(
    connection: Connection, trunk_ids: Sequence[UUID], node_id: UUID, now: datetime, until: datetime
) -> set[UUID]:
    """Takes or renews those that nobody else has."""
    rows = await connection.fetch(_LEASE, list(trunk_ids), node_id, now, until)
    return {row["id"] for row in rows}


async def release_registrations(connection: Connection, node_id: UUID) -> None:
    await connection.execute(_RELEASE, node_id)


async def live_calls(connection: Connection, trunk_id: UUID) -> int:
    count: int = await connection.fetchval(_LIVE_CALLS, trunk_id)
    return count


async def remove(connection: Connection, trunk_id: UUID, now: datetime) -> None:
    if await connection.fetchval(_EVER_USED, trunk_id):
        await connection.execute(_RETIRE, trunk_id, now)
    else:
        await connection.execute("DELETE FROM trunks WHERE id = $1", trunk_id)


def trunk_of(row: Record) -> Trunk:
    return Trunk(
        **{
            **dict(row),
            "transport": Transport(row["transport"]),
            "media_encryption": MediaEncryption(row["media_encryption"]),
            "codecs": tuple(Codec(codec) for codec in row["codecs"]),
            "source_cidrs": tuple(row["source_cidrs"]),
            "prefixes": tuple(row["prefixes"]),
            "called_form": NumberForm(row["called_form"]),
            "caller_form": NumberForm(row["caller_form"]),
            "inbound_number": InboundNumber(row["inbound_number"]),
            "state": TrunkState(row["state"]),
        }
    )


def _values(terms: TrunkTerms) -> list[Any]:
    return [list(value) if isinstance(value := getattr(terms, field), tuple) else value for field in TERMS]
