"""What is done by the clock, once for the whole installation however many workers there are: procrastinate's periodic tasks."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException

from sautikitd.app import Platform
from sautikitd.calls import callbacks
from sautikitd.devices.bindings import tidy
from sautikitd.mail.jobs import forget_old_mail
from sautikitd.numbers.jobs import return_from_quarantine
from sautikitd.payments.jobs import forget_old_callbacks
from sautikitd.recordings.jobs import tidy_recordings
from sautikitd.uploads.service import AudioUploads
from sautikitd.wallet.seals import seal_settled
from sautikitd.webhooks.jobs import purge_delivery_log

log = structlog.get_logger()
CALLBACKS_KEPT = timedelta(days=30)
_BATCH = 5000
_RETRY_SECONDS = 2.0


async def run_periodic_jobs(platform: Platform) -> None:
    """Runs them until cancelled; while the database is away it tries again every two seconds."""
    while True:
        try:
            await _run(platform)
        except (psycopg.Error, ConnectorException, OSError) as exc:
            log.warning("periodic jobs interrupted", error=repr(exc))
        await asyncio.sleep(_RETRY_SECONDS)


async def _run(platform: Platform) -> None:
    connector = PsycopgConnector(conninfo=platform.database_url, min_size=1, max_size=3)
    app = App(connector=connector)
    _schedule(app, "recordings", "* * * * *", lambda: _tidy_recordings(platform))
    _schedule(app, "ledger-seals", "*/5 * * * *", lambda: seal_settled(platform.database, platform.clock))
    _schedule(app, "idempotency-keys", "*/10 * * * *", lambda: forget_idempotency_keys(platform))
    _schedule(app, "devices", "*/5 * * * *", lambda: _tidy_devices(platform))
    _schedule(app, "quarantine", "5 * * * *", lambda: _end_quarantine(platform))
    _schedule(app, "delivery-log", "17 3 * * *", lambda: _purge_delivery_log(platform))
    _schedule(app, "callback-log", "27 3 * * *", lambda: forget_callbacks(platform))
    _schedule(
        app,
        "payment-callbacks",
        "47 3 * * *",
        lambda: forget_old_callbacks(platform.database, platform.clock.now()),
    )
    _schedule(app, "old-mail", "57 3 * * *", lambda: _forget_mail(platform))
    _schedule(app, "finished-jobs", "37 3 * * *", lambda: _forget_jobs(app))
    async with app.open_async():
        await app.run_worker_async(install_signal_handlers=False, listen_notify=False)


def _schedule(app: App, name: str, cron: str, work: Callable[[], Awaitable[object]]) -> None:
    """`queueing_lock`: a job that is still waiting is not queued again. Times are UTC."""

    async def task(timestamp: int) -> None:
        await work()

    registered = app.task(name=name, queueing_lock=name, lock=name)(task)
    app.periodic(cron=cron)(registered)


async def forget_idempotency_keys(platform: Platform) -> int:
    """Deletes the stored answers whose 24 hours are over; returns how many."""
    removed = 0
    while True:
        async with platform.database.connection() as connection:
            rows = await connection.fetch(_FORGET_KEYS, platform.clock.now(), _BATCH)
        removed += len(rows)
        if len(rows) < _BATCH:
            return removed


async def forget_callbacks(platform: Platform) -> int:
    """Deletes voice callbacks older than 30 days; returns how many."""
    removed, found = 0, _BATCH
    while found == _BATCH:
        async with platform.database.connection() as connection:
            found = await callbacks.forget_before(connection, platform.clock.now() - CALLBACKS_KEPT, _BATCH)
        removed += found
    return removed


async def _tidy_recordings(platform: Platform) -> None:
    await tidy_recordings(platform.database, platform.retention, platform.clock)
    await AudioUploads(platform.recording_store, platform.database, platform.clock).purge()


async def _end_quarantine(platform: Platform) -> None:
    async with platform.database.transaction() as connection:
        await return_from_quarantine(connection, platform.clock.now())


async def _tidy_devices(platform: Platform) -> None:
    async with platform.database.transaction() as connection:
        await tidy(connection, platform.clock.now())


async def _purge_delivery_log(platform: Platform) -> None:
    await purge_delivery_log(platform.database, platform.clock.now())


async def _forget_mail(platform: Platform) -> None:
    await forget_old_mail(platform.database, platform.clock.now())


async def _forget_jobs(app: App) -> None:
    await app.job_manager.delete_old_jobs(nb_hours=24, include_failed=False)


_FORGET_KEYS = """
DELETE FROM idempotency_keys WHERE (workspace_id, mode, key) IN (
    SELECT workspace_id, mode, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
RETURNING key
"""
