"""What the worker process does for payments: callbacks, pushes, questions, sweeps, each in a loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.payments.inbox import Inbox
from sautikitd.payments.paybill import PaybillRegistration
from sautikitd.payments.pulls import PullSweeps
from sautikitd.payments.pushing import Pusher
from sautikitd.payments.reconciler import Reconciler
from sautikitd.payments.reversals import Reversals
from sautikitd.payments.silence import Silence

log = structlog.get_logger()

_POLL_SECONDS = 1.0
_SLOW_SECONDS = 20.0


class PaymentsWorker:
    """Any number may run, and any may die at any moment: all they do is claimed in the database first."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        pusher: Pusher,
        reconciler: Reconciler,
        sweeps: PullSweeps,
        registration: PaybillRegistration,
        reversals: Reversals,
        silence: Silence,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._pusher = pusher
        self._reconciler = reconciler
        self._sweeps = sweeps
        self._registration = registration
        self._reversals = reversals
        self._silence = silence
        self._clock = clock
        self._woken = [asyncio.Event(), asyncio.Event()]

    def wake(self) -> None:
        """Something was queued: do not wait for the next look."""
        for event in self._woken:
            event.set()

    async def run(self) -> None:
        """Runs until cancelled; while the database is away it waits."""
        posted, queued = self._woken
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self._work_inbox, posted, _POLL_SECONDS))
            group.create_task(self._repeat(self._pusher.work, queued, _POLL_SECONDS))
            group.create_task(self._repeat(self._reconciler.work, asyncio.Event(), _POLL_SECONDS))
            group.create_task(self._repeat(self._look_after, asyncio.Event(), _SLOW_SECONDS))

    async def _work_inbox(self) -> int:
        return int(await self._inbox.work_one())

    async def _look_after(self) -> int:
        await self._registration.keep()
        await self._pusher.forsake()
        await self._reconciler.release_prompts()
        await self._sweeps.work()
        await self._reconciler.give_up()
        await self._reversals.check()
        await self._silence.measure()
        return 0

    async def _repeat(self, work: Callable[[], Awaitable[int]], woken: asyncio.Event, seconds: float) -> None:
        while True:
            woken.clear()
            try:
                while await work():
                    pass
            except DatabaseUnavailable as exc:
                log.warning("database unavailable", error=repr(exc))
            except Exception:
                log.exception("payments work failed; it goes on", work=getattr(work, "__qualname__", ""))
            await self._wait(woken, seconds)

    async def _wait(self, woken: asyncio.Event, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        waking = asyncio.ensure_future(woken.wait())
        try:
            await asyncio.wait([sleeping, waking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
