"""Wake-ups: the first at once, those of a rush together, and none of them lost."""

import asyncio
import time

import asyncpg

from sautikitd.database.pool import Database
from sautikitd.database.wake import GATHER_S, Waker


async def test_a_rush_of_wakes_is_few_notifications_and_the_last_wake_is_heard(
    database: Database, database_url: str
) -> None:
    told = 0
    heard = asyncio.Event()

    def listen(*_: object) -> None:
        nonlocal told
        told += 1
        heard.set()

    listener = await asyncpg.connect(database_url)
    waker = Waker(database)
    started = time.monotonic()
    try:
        await listener.add_listener("calls", listen)
        for _ in range(200):
            await waker.wake("calls")
            await asyncio.sleep(0)
        await waker.close()
        async with asyncio.timeout(10):
            await heard.wait()
        in_the_rush, most = told, (time.monotonic() - started) / GATHER_S + 1
        heard.clear()
        await waker.wake("calls")
        async with asyncio.timeout(10):
            await heard.wait()
    finally:
        await waker.close()
        await listener.close()
    assert 1 <= in_the_rush <= most
