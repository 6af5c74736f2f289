"""A process killed in the middle of claiming and closing calls of many wallets together: each is charged, once."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from calls.closing import SECONDS
from calls.scenery import Scene
from sautikitd.database.pool import Database
from sautikitd.wallet.audit import audit

WORKSPACES, CALLS_EACH = 5, 12
COST_MINOR = SECONDS * 300 // 60

_STEPS = "SELECT count(*) FROM events WHERE kind IN ('call.started', 'call.completed')"


async def close_and_kill(database: Database, database_url: str, steps: int) -> int:
    """Runs a process that is killed once so many steps in all are told of; its status, negative when killed."""
    program = str(Path(__file__).with_name("closing.py"))
    process = await asyncio.create_subprocess_exec(sys.executable, program, database_url)
    ended = asyncio.create_task(process.wait())
    async with database.connection() as connection:
        while not ended.done() and await connection.fetchval(_STEPS) < steps:
            pass
    if not ended.done():
        process.kill()
    return await ended


@pytest.mark.timeout(300)
async def test_calls_closed_together_by_processes_that_are_killed_are_each_charged_once(
    database: Database, database_url: str
) -> None:
    scenes = [await Scene.on(database, name=f"Duka {number}") for number in range(WORKSPACES)]
    before = [(await scene.balance())[0] for scene in scenes]
    for scene in scenes:
        await scene.limit(calls_per_second=9999.0, tokens=9999.0, max_concurrent_calls=1000)
        for _ in range(CALLS_EACH):
            await scene.place()
    chance, statuses, goal = random.Random(20261129), [], 0
    while goal < 2 * WORKSPACES * CALLS_EACH:
        goal += chance.randrange(5, 30)
        statuses.append(await close_and_kill(database, database_url, goal))
    assert statuses.count(-signal.SIGKILL) >= len(statuses) - 1 >= 3
    assert await close_and_kill(database, database_url, 10**9) == 0
    after = [await scene.balance() for scene in scenes]
    assert after == [(money - CALLS_EACH * COST_MINOR, 0) for money in before]
    async with database.connection() as connection:
        calls = await connection.fetch(
            "SELECT c.status::text, c.cost_minor, c.billed_seconds, count(e.id) AS told FROM calls c LEFT JOIN events e"
            " ON e.call_id = c.id AND e.kind IN ('call.completed', 'call.failed') GROUP BY c.id"
        )
        assert await audit(connection) == []
    assert [tuple(call) for call in calls] == [("completed", COST_MINOR, SECONDS, 1)] * (
        WORKSPACES * CALLS_EACH
    )
