"""Writes outcomes to the database, as many at a time as have come in meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import asyncpg
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.webhooks import metrics
from sautikitd.webhooks.disabling import Disabling
from sautikitd.webhooks.models import DisableReason, FailingEndpoint, Outcome
from sautikitd.webhooks.queue import DeliveryQueue

LARGEST_BATCH = 500
_RETRY_S = 0.5

log = structlog.get_logger()


class Recorder:
    """`put` never waits. What cannot be written before its lease lapses is delivered again: at least once."""

    def __init__(
        self, queue: DeliveryQueue, disabling: Disabling, clock: Clock, on_recorded: Callable[[], None]
    ) -> None:
        self._queue = queue
        self._disabling = disabling
        self._clock = clock
        self._on_recorded = on_recorded
        self._waiting: list[Outcome] = []
        self._ready = asyncio.Event()
        self._writing = asyncio.Lock()

    def put(self, outcome: Outcome) -> None:
        self._waiting.append(outcome)
        self._ready.set()

    async def run(self) -> None:
        """Records until cancelled. What it was writing then is delivered again; `flush` before to avoid that."""
        while True:
            await self._ready.wait()
            await self.flush()

    async def flush(self) -> None:
        """Returns when all that has come in is written."""
        async with self._writing:
            self._ready.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                await self._write(batch)
                self._on_recorded()

    async def _write(self, batch: Sequence[Outcome]) -> None:
        now = self._clock.now()
        failing = await self._insist(lambda: self._queue.record(batch, now), batch)
        for status, count in Counter(o.status for o in batch if o.attempt is not None).items():
            metrics.ATTEMPTS.labels(status.value).inc(count)
        for outcome in batch:
            if outcome.attempt is not None:
                metrics.DURATION.observe(outcome.attempt.duration_ms / 1000)
        gone = {o.delivery.endpoint_id: _endpoint(o) for o in batch if o.gone}
        for endpoint in gone.values():
            await self._disable(endpoint, DisableReason.GONE, now)
        for endpoint in failing:
            if endpoint.endpoint_id not in gone:
                await self._disable(endpoint, DisableReason.FAILING, now)

    async def _insist(
        self, write: Callable[[], Awaitable[list[FailingEndpoint]]], batch: Sequence[Outcome]
    ) -> list[FailingEndpoint]:
        """Tries until the database is there. A batch it refuses is written one by one, less the refused."""
        while True:
            try:
                return await write()
            except DatabaseUnavailable as error:
                log.warning("webhooks: outcomes not recorded yet", count=len(batch), error=repr(error))
                await asyncio.sleep(_RETRY_S)
            except asyncpg.PostgresError:
                if len(batch) == 1:
                    delivery = str(batch[0].delivery.id)
                    log.exception("webhooks: an outcome cannot be recorded", delivery=delivery)
                    return []
                break
        failing: list[FailingEndpoint] = []
        for outcome in batch:
            one = [outcome]
            failing += await self._insist(lambda one=one: self._queue.record(one, self._clock.now()), one)  # type: ignore[misc]
        return failing

    async def _disable(self, endpoint: FailingEndpoint, reason: DisableReason, now: datetime) -> None:
        try:
            await self._disabling.disable(endpoint, reason, now)
        except (*DatabaseUnavailable, asyncpg.PostgresError, TimeoutError) as error:
            # Its next failure brings us here again.
            log.warning(
                "webhooks: endpoint not disabled", endpoint=str(endpoint.endpoint_id), error=repr(error)
            )


def _endpoint(outcome: Outcome) -> FailingEndpoint:
    delivery = outcome.delivery
    return FailingEndpoint(
        endpoint_id=delivery.endpoint_id,
        workspace_id=delivery.workspace_id,
        mode=delivery.mode,
        webhook_id=delivery.webhook_id,
        url=delivery.url,
        failing_since=None,
        failures=1,
    )
