"""SQL of SIP credentials."""

from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.devices.models import CredentialRecord


async def insert(connection: Connection, made: CredentialRecord, sealed: bytes) -> None:
    fields = msgspec.structs.asdict(made) | {"ha1_encrypted": sealed}
    places = ", ".join(f"${place}" for place in range(1, len(fields) + 1))
    await connection.execute(
        f"INSERT INTO sip_credentials ({', '.join(fields)}) VALUES ({places})", *fields.values()
    )


async def count(connection: Connection, number_id: UUID) -> int:
    """How many credentials a number has, tokens not counted."""
    found: int = await connection.fetchval(_COUNT, number_id)
    return found


async def newest(
    connection: Connection, number_id: UUID, *, after: UUID | None, limit: int
) -> list[CredentialRecord]:
    """A number's credentials, newest first; tokens are not among them."""
    return [_credential(row) for row in await connection.fetch(_NEWEST, number_id, after, limit)]


async def find(connection: Connection, number_id: UUID, credential_id: UUID) -> CredentialRecord | None:
    """A credential of the number, locked until the transaction ends."""
    row = await connection.fetchrow(_FIND, number_id, credential_id)
    return None if row is None else _credential(row)


async def by_username(
    connection: Connection, username: str, now: datetime
) -> tuple[CredentialRecord, bytes] | None:
    """A credential that is good now, of a number that is still the workspace's, with its sealed digests."""
    row = await connection.fetchrow(_BY_USERNAME, username, now)
    return None if row is None else (_credential(row), row["ha1_encrypted"])


async def by_id(connection: Connection, credential_id: UUID, now: datetime) -> CredentialRecord | None:
    row = await connection.fetchrow(_BY_ID, credential_id, now)
    return None if row is None else _credential(row)


async def rotate(
    connection: Connection, credential_id: UUID, sealed: bytes, now: datetime
) -> CredentialRecord:
    return _credential(await connection.fetchrow(_ROTATE, credential_id, sealed, now))


async def note_registered(connection: Connection, credential_id: UUID, now: datetime) -> None:
    await connection.execute(
        "UPDATE sip_credentials SET registered_at = $2 WHERE id = $1", credential_id, now
    )


async def delete(connection: Connection, credential_id: UUID) -> None:
    """Deletes it, and with it where its devices are."""
    await connection.execute("DELETE FROM sip_credentials WHERE id = $1", credential_id)


async def delete_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Deletes tokens that are over; returns how many."""
    rows = await connection.fetch(_DELETE_EXPIRED, now, limit)
    return len(rows)


async def tell_of_guessing(
    connection: Connection, credential_id: UUID, now: datetime, not_since: datetime
) -> bool:
    """Notes that the workspace is being told; False when it has been since `not_since`."""
    noted = await connection.execute(_TELL, credential_id, now, not_since)
    return bool(noted == "UPDATE 1")


def _credential(row: Record) -> CredentialRecord:
    return CredentialRecord(**{name: row[name] for name in CredentialRecord.__struct_fields__})


COLUMNS = ", ".join(f"sip_credentials.{name}" for name in CredentialRecord.__struct_fields__)

_COUNT = "SELECT count(*) FROM sip_credentials WHERE number_id = $1 AND expires_at IS NULL"

_NEWEST = f"""
SELECT {COLUMNS} FROM sip_credentials
WHERE number_id = $1 AND expires_at IS NULL AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""

_FIND = f"""
SELECT {COLUMNS} FROM sip_credentials WHERE number_id = $1 AND id = $2 AND expires_at IS NULL FOR UPDATE
"""

_BY_USERNAME = f"""
SELECT {COLUMNS}, ha1_encrypted FROM sip_credentials
JOIN numbers ON numbers.id = sip_credentials.number_id AND numbers.released_at IS NULL
WHERE username = $1 AND (expires_at IS NULL OR expires_at > $2)
"""

_BY_ID = f"""
SELECT {COLUMNS} FROM sip_credentials
JOIN numbers ON numbers.id = sip_credentials.number_id AND numbers.released_at IS NULL
WHERE sip_credentials.id = $1 AND (expires_at IS NULL OR expires_at > $2)
FOR UPDATE OF sip_credentials
"""

_ROTATE = f"""
UPDATE sip_credentials SET ha1_encrypted = $2, rotated_at = $3 WHERE id = $1 RETURNING {COLUMNS}
"""

_DELETE_EXPIRED = """
DELETE FROM sip_credentials WHERE id IN (
    SELECT id FROM sip_credentials WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_TELL = """
UPDATE sip_credentials SET guessed_at = $2 WHERE id = $1 AND (guessed_at IS NULL OR guessed_at < $3)
"""
