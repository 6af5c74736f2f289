"""What the worker does by the clock: it is registered, it runs, and it deletes only what is old."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from sautikitd.app import Platform, open_platform
from sautikitd.identity.audit import OPERATOR
from sautikitd.roles.periodic import forget_idempotency_keys, run_periodic_jobs
from sautikitd.secretbox import make_key_file
from sautikitd.settings import from_environment


@pytest.fixture
async def platform(database_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    make_key_file(tmp_path / "master.keys")
    settings = from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path), "DATABASE_URL": database_url})
    async with open_platform(settings, "test", connections=4) as opened:
        yield opened


async def test_idempotency_keys_go_when_their_time_is_over(platform: Platform) -> None:
    now = platform.clock.now()
    async with platform.database.transaction() as connection:
        made = await platform.workspaces.create(connection, "Duka", "me@example.co.ke", OPERATOR, now)
    for key, expires_in in (("old", timedelta(seconds=-1)), ("young", timedelta(hours=1))):
        async with platform.database.connection() as connection:
            await connection.execute(
                "INSERT INTO idempotency_keys VALUES ($1, 'test', $2, '', '', 200, '', $3, $4)",
                made.id,
                key,
                now,
                now + expires_in,
            )
    assert await forget_idempotency_keys(platform) == 1
    async with platform.database.connection() as connection:
        assert await connection.fetchval("SELECT key FROM idempotency_keys") == "young"


async def test_the_job_queue_runs_with_the_rights_of_the_application(platform: Platform) -> None:
    running = asyncio.create_task(run_periodic_jobs(platform))
    try:
        await _worker_beats(platform)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _worker_beats(platform: Platform) -> None:
    async with asyncio.timeout(30):
        while True:
            async with platform.database.connection() as connection:
                if await connection.fetchval("SELECT count(*) FROM procrastinate_workers"):
                    return
            await asyncio.sleep(0.05)
