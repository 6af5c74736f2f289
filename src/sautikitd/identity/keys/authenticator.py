"""From a bearer credential to a `Principal`: the hot path of every request."""

import asyncio
import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.identity.keys import repository
from sautikitd.identity.keys.errors import (
    KeyExpired,
    KeyInvalid,
    KeyRevoked,
    SourceDenied,
    TooManyBadKeys,
)
from sautikitd.identity.keys.format import LONGEST, mode_of
from sautikitd.identity.keys.models import KeyRecord, KeyState
from sautikitd.identity.keys.rights import role_of
from sautikitd.identity.keys.service import ApiKeys
from sautikitd.identity.keys.throttle import FailureThrottle
from sautikitd.identity.principal import Principal

log = structlog.get_logger()
_CACHED_SECONDS = (
    0.9  # the contract lets a revoked key work for one more; the rest is for answers on their way
)
_REMEMBERED = 10_000
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Cached:
    key: KeyRecord | None  # None: there is no such key
    principal: Principal | None
    read_at: float


class KeyAuthenticator:
    """Checks keys, remembering what it read for nearly a second. `run` writes down when keys were last used."""

    def __init__(self, database: Database, keys: ApiKeys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        # Remembered under a hash that is this process's own: the stored one takes ten times as long to compute,
        # and neither holds the key or compares it character by character.
        self._cache: OrderedDict[bytes, _Cached] = OrderedDict()
        self._cache_key = secrets.token_bytes(32)
        self._throttle = FailureThrottle(clock)
        self._used: dict[UUID, datetime] = {}
        self._noted: dict[UUID, datetime] = {}

    async def authenticate(self, credential: str, source_address: str) -> Principal:
        """The principal of a bearer credential.

        Raises `KeyInvalid`, `KeyRevoked`, `KeyExpired` (401), `SourceDenied` (403), and `TooManyBadKeys` (429)
        instead of `KeyInvalid` for a source that keeps trying wrong keys: a right key is never refused for that.
        """
        found = await self._find(credential)
        if found is None or found.key is None or found.principal is None:
            raise self._wrong(source_address)
        key, now = found.key, self._clock.now()
        state = key.state(now + timedelta(seconds=key.ahead_seconds))
        if state is KeyState.REVOKED:
            raise KeyRevoked
        if state is KeyState.EXPIRED:
            raise KeyExpired
        if not _comes_from(key, source_address):
            raise SourceDenied(source=source_address)
        self._used[key.id] = now
        return found.principal

    def forget_workspace(self, workspace_id: UUID) -> None:
        """Reads its keys anew at once: something that is kept with them has changed. Other processes follow in a second."""
        for place, cached in list(self._cache.items()):
            if cached.key is not None and cached.key.workspace_id == workspace_id:
                del self._cache[place]

    async def flush(self) -> None:
        """Writes down the uses since the last time, at most one a minute for each key."""
        now = self._clock.now()
        used, self._used = self._used, {}
        self._noted = {key: at for key, at in self._noted.items() if now - at < _NOTED_EVERY}
        due = {key: at for key, at in used.items() if key not in self._noted}
        for key, at in used.items() - due.items():
            self._used.setdefault(key, at)
        if due:
            self._noted.update(dict.fromkeys(due, now))
            async with self._database.connection() as connection:
                await repository.note_use(connection, due)

    async def run(self, every_seconds: float = 10.0) -> None:
        """Flushes for ever; cancel it to stop, it then flushes once more."""
        try:
            while True:
                await self._clock.sleep(every_seconds)
                await self._try_flush()
        except asyncio.CancelledError:
            await self._try_flush()
            raise

    async def _try_flush(self) -> None:
        try:
            await self.flush()
        except DatabaseUnavailable as exc:
            log.warning("last use of keys not written", error=repr(exc))

    async def _find(self, credential: str) -> _Cached | None:
        if len(credential) > LONGEST:
            return None
        place = hashlib.blake2b(credential.encode(), key=self._cache_key, digest_size=32).digest()
        asked_at = self._clock.monotonic()
        cached = self._cache.get(place)
        if cached is not None and asked_at - cached.read_at < _CACHED_SECONDS:
            return cached
        if mode_of(credential) is None:
            return None
        async with self._database.connection() as connection:
            key = await repository.find_by_hash(connection, self._keys.hash(credential))
        found = _Cached(key, None if key is None else _principal(key), asked_at)
        self._remember(place, found)
        return found

    def _remember(self, place: bytes, cached: _Cached) -> None:
        """`read_at` is from before the query, so that nothing is believed for more than the second."""
        self._cache[place] = cached
        self._cache.move_to_end(place)
        if len(self._cache) > _REMEMBERED:
            self._cache.popitem(last=False)

    def _wrong(self, source_address: str) -> KeyInvalid | TooManyBadKeys:
        return KeyInvalid() if self._throttle.allows(source_address) else TooManyBadKeys()


def _principal(key: KeyRecord) -> Principal:
    return Principal(
        id=key.id,
        workspace_id=key.workspace_id,
        mode=key.mode,
        scopes=key.scopes,
        role=role_of(key),
        number_ids=key.number_ids,
        suspended=key.suspended,
        ahead_seconds=key.ahead_seconds,
    )


def _comes_from(key: KeyRecord, source_address: str) -> bool:
    if key.source_cidrs is None:
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(source_address)
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in key.source_cidrs)
    return False
