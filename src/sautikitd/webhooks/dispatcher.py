"""The dispatcher: claims deliveries, sends them, records what came of it. Run as many as you like."""

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.events.log import EventLog
from sautikitd.webhooks import metrics
from sautikitd.webhooks.attempt import Client, Sender
from sautikitd.webhooks.disabling import DisabledNotice, Disabling
from sautikitd.webhooks.lanes import LaneLimits, Lanes
from sautikitd.webhooks.models import ClaimedDelivery, DeliveryStatus, Outcome
from sautikitd.webhooks.queue import FIRST_LANE, LARGEST_CLAIM, DeliveryQueue
from sautikitd.webhooks.recorder import Recorder
from sautikitd.webhooks.secrets import DeliverySecrets
from sautikitd.webhooks.wakeups import WakeUps

SWEEP_S = 5.0
SETTLE_S = 0.005  # least time between two claims, in which batches form
GRACE_S = 11.0  # a stop waits this long for what is under way: one attempt takes at most 10 s

TROUBLE = (*DatabaseUnavailable, asyncpg.PostgresError, TimeoutError)
"""What the database may do to a statement; all of it is worth another try a moment later."""

log = structlog.get_logger()


class Dispatcher:
    """One process's dispatcher. Its state is leases in the database: killed, it loses nothing, and another
    one delivers what it held as soon as the leases lapse."""

    def __init__(
        self,
        database: Database,
        client: Client,
        secrets: DeliverySecrets,
        clock: Clock,
        *,
        events: EventLog | None = None,
        limits: LaneLimits | None = None,
        randomness: random.Random | None = None,
        wakeups: WakeUps | None = None,
        notice: DisabledNotice | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._queue = DeliveryQueue(database)
        self._sender = Sender(client, clock, randomness or random.Random())
        self._secrets = secrets
        self._clock = clock
        self._lanes = Lanes(limits or LaneLimits())
        self._wakeups = wakeups or WakeUps()
        disabling = Disabling(database, events or EventLog(), notice)
        self._recorder = Recorder(self._queue, disabling, clock, self._wakeups.wake)
        self._grace_s = grace_s
        self._stopping = False
        self._after = FIRST_LANE
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Runs until `stop`. Cancelled instead, it leaves its leases to lapse."""
        helpers = [
            asyncio.create_task(self._recorder.run()),
            asyncio.create_task(self._sweep()),
        ]
        claiming = asyncio.create_task(self._claim_until_stopped())
        try:
            done, _ = await asyncio.wait([claiming, *helpers], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a helper ends only by an error, which ends us too
            await self._drain()
        finally:
            await _cancel([claiming, *helpers, *self._sending])

    def stop(self) -> None:
        """Asks `run` to end: nothing more is claimed, what is under way may finish, the rest is given back."""
        self._stopping = True
        self._wakeups.wake()

    def wake(self) -> None:
        """Makes it look for work now. For `database.wake.Listener` on the channel `events.log.CHANNEL`."""
        self._wakeups.wake()

    async def _claim_until_stopped(self) -> None:
        found = False
        while not self._stopping:
            began_at = self._after
            try:
                if self._wakeups.is_time():
                    await self._queue.make_retries_ready(self._clock.now())
                claimed = await self._claim()
            except TROUBLE as error:
                log.error("webhooks: nothing claimed", error=repr(error))
                claimed, self._after = 0, FIRST_LANE
            found = found or claimed > 0
            through = (
                began_at == FIRST_LANE or self._after != FIRST_LANE
            )  # all lanes were seen, or there is no room
            if claimed == 0 and through:
                await self._wakeups.wait(found=found)
                found = False
            await asyncio.sleep(SETTLE_S)

    async def _claim(self) -> int:
        """One claim, and the start of its attempts. The next one starts behind the last lane of a full one."""
        room = self._lanes.room(self._clock.now())
        if room.total == 0:
            return 0
        claimed = await self._queue.claim(room, self._clock.now(), self._after)
        for delivery in claimed:
            self._lanes.take(delivery.endpoint_id, delivery.workspace_id)
        full = len(claimed) >= min(room.total, LARGEST_CLAIM)
        self._after = claimed[-1].endpoint_id if full else FIRST_LANE
        await self._start(claimed)
        return len(claimed)

    async def _start(self, claimed: Sequence[ClaimedDelivery]) -> None:
        try:
            secrets = await self._secrets.of(claimed)
        except BaseException:
            for delivery in claimed:
                self._lanes.give_back(delivery.endpoint_id, succeeded=None)
                self._recorder.put(_given_back(delivery))
            raise
        for delivery, valid in zip(claimed, secrets, strict=True):
            task = asyncio.create_task(self._deliver(delivery, valid))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        metrics.IN_FLIGHT.set(self._lanes.in_flight)

    async def _deliver(self, delivery: ClaimedDelivery, secrets: Sequence[str]) -> None:
        outcome = _given_back(delivery)
        succeeded: bool | None = None
        try:
            outcome = await self._sender.send(delivery, secrets)
            if outcome.attempt is not None:
                succeeded = outcome.status is DeliveryStatus.SUCCEEDED
        except Exception as error:
            log.exception("webhooks: an attempt failed unexpectedly", delivery=str(delivery.id))
            outcome = self._sender.broken(delivery, error)
        finally:
            self._lanes.give_back(delivery.endpoint_id, succeeded=succeeded)
            if outcome.pause is not None:
                self._lanes.pause(delivery.endpoint_id, self._clock.now(), outcome.pause)
            self._recorder.put(outcome)

    async def _sweep(self) -> None:
        while True:
            try:
                lapsed = await self._queue.take_back_lapsed(self._clock.now())
            except TROUBLE as error:
                log.warning("webhooks: leases not swept", error=repr(error))
                lapsed = 0
            if lapsed:
                metrics.LAPSED.inc(lapsed)
                self._wakeups.wake()
            await asyncio.sleep(SWEEP_S)

    async def _drain(self) -> None:
        if self._sending:
            _, late = await asyncio.wait(set(self._sending), timeout=self._grace_s)
            await _cancel(list(late))
        await self._recorder.flush()


def _given_back(delivery: ClaimedDelivery) -> Outcome:
    return Outcome(delivery=delivery, status=DeliveryStatus.PENDING)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
