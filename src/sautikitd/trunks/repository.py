"""SQL of trunks."""

from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.trunks.models import Codec, NewTrunk, Transport, Trunk

_COLUMNS = """
id, name, host, port, transport, username, register, codecs, source_cidrs::text[] AS source_cidrs, enabled,
state, state_detail, state_at, created_at
"""

_INSERT = f"""
INSERT INTO trunks (id, name, mode, host, port, transport, username, password_encrypted, register, codecs,
                    source_cidrs, created_at)
VALUES ($1, $2, 'live', $3, $4, $5, $6, $7, $8, $9, $10::text[]::cidr[], $11)
ON CONFLICT (name) DO NOTHING
RETURNING {_COLUMNS}
"""

_ALL = f"SELECT {_COLUMNS} FROM trunks WHERE mode = 'live' ORDER BY name"

_BY_NAME = f"SELECT {_COLUMNS} FROM trunks WHERE mode = 'live' AND name = $1"

_LIVE_CALLS = "SELECT count(*) FROM calls WHERE trunk_id = $1 AND status IN ('ringing', 'answered')"

_EVER_USED = "SELECT EXISTS (SELECT FROM calls WHERE trunk_id = $1)"

# Calls refer to the trunk they went over, so one that was used is only put out of service, and frees its name.
_RETIRE = """
UPDATE trunks SET enabled = false, name = name || ' (removed ' || id || ')', username = NULL,
                  password_encrypted = NULL, register = false
WHERE id = $1
"""


async def insert(
    connection: Connection, made: UUID, new: NewTrunk, sealed_password: bytes | None, now: datetime
) -> Trunk | None:
    """None when the name is taken."""
    row = await connection.fetchrow(
        _INSERT,
        made,
        new.name,
        new.host,
        new.port,
        new.transport,
        new.username,
        sealed_password,
        new.register,
        list(new.codecs),
        list(new.source_cidrs),
        now,
    )
    return None if row is None else _trunk(row)


async def all_of(connection: Connection) -> list[Trunk]:
    return [_trunk(row) for row in await connection.fetch(_ALL)]


async def find(connection: Connection, name: str) -> Trunk | None:
    row = await connection.fetchrow(_BY_NAME, name)
    return None if row is None else _trunk(row)


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


async def live_calls(connection: Connection, trunk_id: UUID) -> int:
    count: int = await connection.fetchval(_LIVE_CALLS, trunk_id)
    return count


async def remove(connection: Connection, trunk_id: UUID) -> None:
    if await connection.fetchval(_EVER_USED, trunk_id):
        await connection.execute(_RETIRE, trunk_id)
    else:
        await connection.execute("DELETE FROM trunks WHERE id = $1", trunk_id)


def _trunk(row: Record) -> Trunk:
    return Trunk(
        **{
            **dict(row),
            "transport": Transport(row["transport"]),
            "codecs": tuple(Codec(codec) for codec in row["codecs"]),
            "source_cidrs": tuple(row["source_cidrs"]),
        }
    )
