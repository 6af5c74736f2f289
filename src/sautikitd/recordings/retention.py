"""The end of recordings: their retention, the removal of their objects, and those that never came back."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.recordings import repository
from sautikitd.recordings.models import Failure, RecordingPolicy
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.store import RecordingStore, StoreUnavailable, mp3_key

log = structlog.get_logger()

_BATCH = 200
_PURGE_RETRY = timedelta(minutes=5)
_PURGE_TIMEOUT_S = 30


class Retention:
    """An object is removed only after the row says so, and the row says so until it is removed."""

    def __init__(
        self,
        *,
        database: Database,
        store: RecordingStore,
        service: RecordingService,
        clock: Clock,
        policy: RecordingPolicy | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._service = service
        self._clock = clock
        self._policy = policy or RecordingPolicy()

    async def expire(self, connection: Connection, now: datetime) -> int:
        """Ends those whose retention is over, 200 at most; returns how many. `purge` removes them after commit."""
        return len(await repository.mark_expired(connection, now, limit=_BATCH))

    async def pass_days(
        self, connection: Connection, workspace_id: UUID, before: datetime, now: datetime
    ) -> None:
        """The test clock of a workspace was moved to `now`: what expired between, expires."""
        await repository.mark_expired_in_test(connection, workspace_id, now, self._clock.now())

    async def purge(self, recording_id: UUID | None = None) -> int:
        """Removes the objects of ended recordings (of this one only, when given); returns how many went.

        What the store does not take now is tried again after five minutes, for as long as it needs.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            purges = await repository.claim_purges(
                connection, now, now + _PURGE_RETRY, limit=_BATCH, only=recording_id
            )
        done = 0
        for purge in purges:
            if await self._remove(purge.object_key):
                async with self._database.connection() as connection:
                    await repository.purged(connection, purge)
                done += 1
        return done

    async def give_up_lost(self) -> int:
        """Fails recordings whose node died and whose spool did not come back for three days; returns how many."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            lost = await repository.lost_since(connection, now, now - self._policy.lost_after, limit=_BATCH)
        for recording_id in lost:
            await self._service.fail(recording_id, Failure.NODE_LOST)
        return len(lost)

    async def _remove(self, object_key: str) -> bool:
        try:
            async with asyncio.timeout(_PURGE_TIMEOUT_S):
                await self._store.delete(object_key)
                await self._store.delete(mp3_key(object_key))
        except StoreUnavailable as exc:
            log.warning("recording not removed yet", object_key=object_key, error=repr(exc))
            return False
        return True
