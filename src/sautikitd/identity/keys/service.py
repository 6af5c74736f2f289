"""API keys: made, listed, rolled and revoked. The key itself is shown once; only its keyed hash is stored."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.instance import InstanceSecrets
from sautikitd.identity.keys import repository
from sautikitd.identity.keys.errors import BeyondOwnRights, KeyNotActive, KeyNotFound
from sautikitd.identity.keys.format import hint_of, new_key
from sautikitd.identity.keys.models import KeyRecord, KeyState, NewKey
from sautikitd.identity.keys.rights import excess, role_of
from sautikitd.identity.principal import WITHHELD, Principal


@dataclass(frozen=True, kw_only=True)
class MadeKey:
    record: KeyRecord
    key: str  # the secret itself: shown once, never stored


class ApiKeys:
    def __init__(self, instance: InstanceSecrets) -> None:
        self._pepper = instance.key_pepper

    def hash(self, key: str) -> bytes:
        """HMAC-SHA256 under the instance's pepper: a stolen table is of no use without the master key."""
        return hmac.new(self._pepper, key.encode(), hashlib.sha256).digest()

    async def create(
        self,
        connection: Connection,
        new: NewKey,
        actor: Actor,
        now: datetime,
        *,
        maker: Principal | None = None,
    ) -> MadeKey:
        """Makes a key. With a `maker` it gets no more than the maker's own rights. Inside a transaction."""
        if maker is not None:
            await repository.lock(connection, {maker.id})
            own = await self._own(connection, maker)
            _within(own, new)
            new = _made_by(own, new)
        made = await self._insert(connection, new, now)
        detail = {"name": new.name, "scopes": sorted(new.scopes)}
        await audit.record(connection, actor, "api_key.create", str(made.record.id), detail, now=now)
        return made

    async def find(self, connection: Connection, principal: Principal, key_id: UUID) -> KeyRecord:
        found = await repository.find(connection, principal.workspace_id, principal.mode, key_id)
        if found is None:
            raise KeyNotFound
        return found

    async def newest(
        self, connection: Connection, workspace_id: UUID, mode: Mode, *, after: UUID | None, limit: int
    ) -> list[KeyRecord]:
        """Keys of a workspace and mode, revoked ones included, newest first."""
        return await repository.newest(connection, workspace_id, mode, after=after, limit=limit)

    async def revoke(
        self, connection: Connection, principal: Principal, key_id: UUID, actor: Actor, now: datetime
    ) -> KeyRecord:
        """Ends a key within a second on every node, for good; doing it twice changes nothing. Inside a transaction."""
        await repository.lock(connection, {key_id})
        key = await self.find(connection, principal, key_id)
        return await self._end(connection, key, actor, now)

    async def revoke_anybodys(
        self, connection: Connection, key_id: UUID, actor: Actor, now: datetime
    ) -> KeyRecord:
        """As `revoke`, of whatever workspace: for those who run the platform. Raises `KeyNotFound`."""
        await repository.lock(connection, {key_id})
        key = await repository.find_anybodys(connection, key_id)
        if key is None:
            raise KeyNotFound
        return await self._end(connection, key, actor, now)

    @staticmethod
    async def _end(connection: Connection, key: KeyRecord, actor: Actor, now: datetime) -> KeyRecord:
        if key.revoked_at is not None:
            return key
        await repository.revoke(connection, key.id, now)
        await audit.record(connection, actor, "api_key.revoke", str(key.id), {"name": key.name}, now=now)
        return msgspec.structs.replace(key, revoked_at=now)

    async def roll(
        self,
        connection: Connection,
        principal: Principal,
        key_id: UUID,
        overlap: timedelta,
        actor: Actor,
        now: datetime,
    ) -> MadeKey:
        """Makes a successor with the same rights and expiry; the old key works on for `overlap`. Inside a transaction."""
        await repository.lock(connection, {principal.id, key_id})
        own = await self._own(connection, principal)
        key = await self.find(connection, principal, key_id)
        if key.rolled_to is not None:
            raise KeyNotActive(state="rolled already")
        if key.state(now) is not KeyState.ACTIVE:
            raise KeyNotActive(state=key.state(now))
        successor = NewKey(
            workspace_id=key.workspace_id,
            mode=key.mode,
            name=key.name,
            scopes=key.scopes,
            expires_at=key.expires_at,
            number_ids=key.number_ids,
            source_cidrs=key.source_cidrs,
            created_by=key.created_by,
        )
        _within(own, successor)
        if not WITHHELD[role_of(own)] <= WITHHELD[role_of(key)]:
            raise BeyondOwnRights(what=f"those of the {role_of(key)} who made it")
        made = await self._insert(connection, successor, now)
        await repository.retire(connection, key.id, made.record.id, now + overlap)
        detail = {"successor": str(made.record.id), "overlap_seconds": int(overlap.total_seconds())}
        await audit.record(connection, actor, "api_key.roll", str(key.id), detail, now=now)
        return made

    async def _insert(self, connection: Connection, new: NewKey, now: datetime) -> MadeKey:
        key = new_key(new.mode)
        made = await repository.insert(connection, new, self.hash(key), hint_of(key), now)
        record = await repository.find(connection, new.workspace_id, new.mode, made)
        assert record is not None
        return MadeKey(record=record, key=key)

    @staticmethod
    async def _own(connection: Connection, maker: Principal) -> KeyRecord:
        """The key that asks, as it is now, with the lock held: it cannot be revoked while it makes another."""
        own = await repository.find(connection, maker.workspace_id, maker.mode, maker.id)
        if own is None:
            raise KeyNotFound
        return own


def _within(own: KeyRecord, new: NewKey) -> None:
    what = excess(own, new)
    if what:
        raise BeyondOwnRights(what=what)


def _made_by(own: KeyRecord, new: NewKey) -> NewKey:
    """A key made by a key belongs to the same person, so that it ends and shrinks with him."""
    return msgspec.structs.replace(new, created_by=own.created_by)
