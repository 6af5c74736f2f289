import asyncio
from collections.abc import AsyncIterator

import pytest

from sautikitd.database.pool import Connection, Database, DatabaseUnavailable


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, minimum=1, maximum=2)
    yield database
    await database.close()


async def process_of(database: Database) -> int:
    async with database.connection() as connection:
        return await process_id(connection)


async def test_the_connection_used_last_is_lent_first(two: Database) -> None:
    assert len({await process_of(two) for _ in range(5)}) == 1


async def test_no_more_are_lent_than_there_are_and_the_rest_wait_their_turn(two: Database) -> None:
    lent, most = 0, 0

    async def use() -> None:
        nonlocal lent, most
        async with two.connection() as connection:
            lent += 1
            most = max(most, lent)
            await connection.fetchval("SELECT 1")
            lent -= 1

    async with two.connection(), two.connection():
        pass  # both are there now
    await asyncio.gather(*(use() for _ in range(50)))
    assert most == 2


async def test_who_stops_waiting_takes_nothing_with_him(two: Database) -> None:
    async with two.connection(), two.connection():
        waiting = [asyncio.create_task(process_of(two)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[:3]:
            task.cancel()
    assert len({await task for task in waiting[3:]}) <= 2
    async with two.connection(), two.connection():
        pass


async def test_a_connection_handed_to_one_who_leaves_at_that_moment_goes_to_the_next(two: Database) -> None:
    async with two.connection():
        async with two.connection():
            leaving, next_one = (asyncio.create_task(process_of(two)) for _ in range(2))
            await asyncio.sleep(0)
        leaving.cancel()  # it is his since the block ended
        assert await next_one
        with pytest.raises(asyncio.CancelledError):
            await leaving
    async with two.connection(), two.connection():
        pass


async def test_what_is_cancelled_in_a_query_or_cut_off_is_replaced(two: Database) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), two.connection() as connection:
                await connection.execute("SELECT pg_sleep(5)")
        async with two.connection() as connection:
            with pytest.raises(DatabaseUnavailable):
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    async with two.connection() as one, two.connection() as other:
        assert await one.fetchval("SELECT 1") == await other.fetchval("SELECT 1") == 1


async def test_a_connection_that_died_while_nobody_had_it_is_not_lent(two: Database) -> None:
    died = asyncio.Event()
    async with two.connection() as one, two.connection() as other:
        for connection in (one, other):
            connection.add_termination_listener(lambda _: died.set())
        pids = {await process_id(one), await process_id(other)}
    async with two.connection() as killer:
        (victim,) = pids - {await process_id(killer)}
        await killer.execute("SELECT pg_terminate_backend($1)", victim)
        async with asyncio.timeout(10):
            await died.wait()
    async with two.connection() as one, two.connection() as other:
        assert victim not in {await process_id(one), await process_id(other)}


async def process_id(connection: Connection) -> int:
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    return pid
