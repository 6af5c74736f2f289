"""The worker process: webhooks delivered, calls of dead nodes ended, the queue's leftovers and old rows cleared away."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from sautikitd.app import Platform, open_platform
from sautikitd.calls.queue import cancel_expired
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.database.wake import Listener
from sautikitd.egress.client import EgressClient
from sautikitd.events.log import CHANNEL
from sautikitd.roles.periodic import run_periodic_jobs
from sautikitd.roles.process import RoleProcess
from sautikitd.settings import Settings
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.secrets import DeliverySecrets

log = structlog.get_logger()
_SWEEP_SECONDS = 1.0


async def run(settings: Settings, process: RoleProcess) -> None:
    async with open_platform(settings, "worker") as platform, EgressClient(platform.guard) as client:
        secrets = DeliverySecrets(platform.database, platform.subscription_secrets, platform.signing_secrets)
        dispatcher = Dispatcher(platform.database, client, secrets, platform.clock, events=platform.events)
        listener = Listener(platform.database_url, [CHANNEL], dispatcher.wake)
        delivering = asyncio.create_task(dispatcher.run())
        beside = [
            asyncio.create_task(listener.run()),
            asyncio.create_task(run_periodic_jobs(platform)),
            asyncio.create_task(_repeat(lambda: _expire_queued(platform), _SWEEP_SECONDS, platform)),
        ]
        stopping = asyncio.create_task(process.until_stopped())
        process.ready()
        try:
            done, _ = await asyncio.wait([delivering, stopping, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            dispatcher.stop()
            await delivering
        finally:
            await _cancel([stopping, delivering, *beside])


async def _expire_queued(platform: Platform) -> None:
    async with platform.database.transaction() as connection:
        canceled = await cancel_expired(connection, platform.lifecycle, platform.clock.now())
    if canceled:
        await platform.waker.wake(CHANNEL)


async def _repeat(work: Callable[[], Awaitable[None]], seconds: float, platform: Platform) -> None:
    """Does `work` every `seconds`; while the database is away it only waits."""
    while True:
        try:
            await work()
        except DatabaseUnavailable as exc:
            log.warning("database unavailable", error=repr(exc))
        await platform.clock.sleep(seconds)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
