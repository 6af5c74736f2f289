"""SIP credentials of numbers: made, shown once, rotated, deleted, and looked up when a device proves one."""

import secrets
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.devices import binding_repository
from sautikitd.devices import credential_repository as repository
from sautikitd.devices.errors import CredentialNotFound, TooManyCredentials
from sautikitd.devices.models import CredentialRecord, NewSecret, Proof
from sautikitd.devices.usernames import new_username
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.ids import uuid7
from sautikitd.numbers.models import NumberRecord
from sautikitd.secretbox import SecretBox
from sautikitd.voice.sip.digest import ha1

REALM = "sautikit"
"""Part of every digest, so it can never change; it stays the same whatever the domain is."""

MOST = 100
_ALGORITHMS = ("MD5", "SHA-256")
_PASSWORD_BYTES = 24


class SipCredentials:
    """Only digests are kept (HA1, of both algorithms that phones know), sealed: nobody can show a password again."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def create(
        self, connection: Connection, number: NumberRecord, label: str, actor: Actor, now: datetime
    ) -> NewSecret:
        """Raises `TooManyCredentials`. The number must be locked."""
        if await repository.count(connection, number.id) >= MOST:
            raise TooManyCredentials(limit=MOST)
        made = await self._insert(connection, number, now, label=label)
        detail = {"number_id": str(number.id), "username": made.credential.username}
        await audit.record(
            connection, actor, "sip_credential.create", str(made.credential.id), detail, now=now
        )
        return made

    async def mint(
        self,
        connection: Connection,
        number: NumberRecord,
        identity: str | None,
        expires_at: datetime,
        now: datetime,
    ) -> NewSecret:
        """A token's: good until `expires_at`, and rung by `identity` too."""
        return await self._insert(connection, number, now, identity=identity, expires_at=expires_at)

    async def rotate(
        self, connection: Connection, number_id: UUID, credential_id: UUID, actor: Actor, now: datetime
    ) -> NewSecret:
        """A new password; the old one is refused from the commit on, and its devices have to register anew.

        Calls that are up go on. Raises `CredentialNotFound`.
        """
        found = await self._find(connection, number_id, credential_id)
        password = new_password()
        sealed = self._seal(found.id, found.username, password)
        rotated = await repository.rotate(connection, found.id, sealed, now)
        await binding_repository.remove(connection, found.id)
        detail = {"number_id": str(number_id), "username": found.username}
        await audit.record(connection, actor, "sip_credential.rotate", str(found.id), detail, now=now)
        return NewSecret(credential=rotated, password=password)

    async def delete(
        self, connection: Connection, number_id: UUID, credential_id: UUID, actor: Actor, now: datetime
    ) -> None:
        """Its devices are neither rung nor heard from the commit on; calls that are up go on. Raises `CredentialNotFound`."""
        found = await self._find(connection, number_id, credential_id)
        await repository.delete(connection, found.id)
        detail = {"number_id": str(number_id), "username": found.username}
        await audit.record(connection, actor, "sip_credential.delete", str(found.id), detail, now=now)

    async def proof_of(self, connection: Connection, username: str, now: datetime) -> Proof | None:
        """What the device of this name has to know; None where there is no such credential (any more)."""
        found = await repository.by_username(connection, username, now)
        if found is None:
            return None
        credential, sealed = found
        plain = self._box.open(sealed, context=_context(credential.id))
        return Proof(credential=credential, digests=msgspec.json.decode(plain, type=dict[str, str]))

    @staticmethod
    async def number_of(connection: Connection, credential_id: UUID, now: datetime) -> UUID:
        """The number that a device with this credential calls as. Raises `CredentialNotFound` for one that is over."""
        found = await repository.by_id(connection, credential_id, now)
        if found is None:
            raise CredentialNotFound(number_id="")
        return found.number_id

    @staticmethod
    async def _find(connection: Connection, number_id: UUID, credential_id: UUID) -> CredentialRecord:
        found = await repository.find(connection, number_id, credential_id)
        if found is None:
            raise CredentialNotFound(number_id=number_id)
        return found

    async def _insert(
        self,
        connection: Connection,
        number: NumberRecord,
        now: datetime,
        *,
        label: str = "",
        identity: str | None = None,
        expires_at: datetime | None = None,
    ) -> NewSecret:
        made = CredentialRecord(
            id=uuid7(),
            workspace_id=number.workspace_id,
            mode=number.mode,
            number_id=number.id,
            username=new_username(),
            label=label,
            identity=identity,
            expires_at=expires_at,
            rotated_at=None,
            registered_at=None,
            created_at=now,
        )
        password = new_password()
        await repository.insert(connection, made, self._seal(made.id, made.username, password))
        return NewSecret(credential=made, password=password)

    def _seal(self, credential_id: UUID, username: str, password: str) -> bytes:
        digests = {name: ha1(username, REALM, password, name) for name in _ALGORITHMS}
        return self._box.seal(msgspec.json.encode(digests), context=_context(credential_id))


def new_password() -> str:
    """192 random bits, of letters that every phone's keypad and configuration file can take."""
    return secrets.token_urlsafe(_PASSWORD_BYTES).replace("-", "x").replace("_", "y")


def _context(credential_id: UUID) -> str:
    return f"sip credential {credential_id}"
