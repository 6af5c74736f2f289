"""What may be tried again: also a server that is full, and a transaction given up for another's sake."""

import asyncio

import asyncpg
import pytest

from sautikitd.database.pool import Connection, Database, DatabaseUnavailable

_LOCK = "SELECT pg_advisory_xact_lock($1)"


async def test_a_server_that_takes_no_more_connections_is_as_one_that_is_away(
    database: Database, database_name: str, owner_url: str
) -> None:
    owner = await asyncpg.connect(owner_url)
    async with database.connection():  # the pool's first
        await owner.execute(f'ALTER DATABASE "{database_name}" CONNECTION LIMIT 1')
        with pytest.raises(DatabaseUnavailable) as full:
            async with database.connection():
                pass
        await owner.execute(f'ALTER DATABASE "{database_name}" CONNECTION LIMIT -1')
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await owner.close()
    assert isinstance(full.value, asyncpg.TooManyConnectionsError)


async def test_of_two_transactions_that_wait_for_each_other_one_may_try_again(database: Database) -> None:
    async def both(mine: int, others: int, met: asyncio.Barrier) -> None:
        async with database.transaction() as connection:
            await _take(connection, mine)
            await met.wait()
            await _take(connection, others)

    met = asyncio.Barrier(2)
    ends = await asyncio.gather(both(1, 2, met), both(2, 1, met), return_exceptions=True)
    (lost,) = (end for end in ends if end is not None)
    assert isinstance(lost, asyncpg.DeadlockDetectedError)
    assert isinstance(lost, DatabaseUnavailable)


async def _take(connection: Connection, number: int) -> None:
    await connection.execute(_LOCK, number)
