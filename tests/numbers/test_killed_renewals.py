"""Renewing processes killed in the middle of it, as a machine that loses power would: each month is taken once."""

import asyncio
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from factories import Platform
from sautikitd.database.pool import Database
from sautikitd.wallet.audit import audit

WORKSPACES, NUMBERS_EACH = 8, 5
FIRST_OF_DECEMBER = datetime(2026, 11, 30, 21, 0, tzinfo=UTC)
FULL_MINOR = 11_600


async def renew_and_kill(database: Database, database_url: str, renewed: int) -> int:
    """Runs a renewing process, killed once `renewed` numbers in all are told of; its status, negative when killed."""
    program = str(Path(__file__).with_name("renewing.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, program, database_url, FIRST_OF_DECEMBER.isoformat())
    )
    ended = asyncio.create_task(process.wait())
    async with database.connection() as connection:
        while not ended.done() and await connection.fetchval(_RENEWED) < renewed:
            pass
    if not ended.done():
        process.kill()
    return await ended


_RENEWED = "SELECT count(*) FROM events WHERE kind = 'number.renewed'"


@pytest.mark.timeout(300)
async def test_processes_killed_while_renewing_charge_each_number_once(
    platform: Platform, database: Database, database_url: str
) -> None:
    numbers = set()
    for index in range(WORKSPACES):
        workspace = await platform.workspace(f"Duka {index}", f"owner{index}@example.co.ke")
        numbers |= {
            (await platform.number(workspace.id, f"+2542000000{at:02}")).id
            for at in range(1, NUMBERS_EACH + 1)
        }
    chance, statuses, goal = random.Random(20261201), [], 0
    while goal < len(numbers):
        goal += chance.randrange(1, 8)
        statuses.append(await renew_and_kill(database, database_url, goal))
    assert statuses.count(-signal.SIGKILL) >= len(statuses) - 1 >= 3
    assert await renew_and_kill(database, database_url, len(numbers) + 1) == 0
    async with database.connection() as connection:
        charged = await connection.fetch(
            "SELECT number_id, -sum(amount_minor)::int AS paid, count(*) AS times FROM ledger_transactions t"
            " JOIN ledger_entries e ON e.transaction_id = t.id AND e.line = 0"
            " WHERE cause_kind = 'rental' AND cause_id LIKE '%/2026-12' GROUP BY number_id"
        )
        told = await connection.fetch("SELECT number_id FROM events WHERE kind = 'number.renewed'")
        assert await audit(connection) == []
    assert {(row["number_id"], row["paid"], row["times"]) for row in charged} == {
        (number, FULL_MINOR, 1) for number in numbers
    }
    assert sorted(row["number_id"] for row in told) == sorted(numbers)
