"""Wake-ups between processes: LISTEN/NOTIFY on connections of their own, never inside a money or event transaction.

A notification only saves waiting. Every listener polls as well, so a lost one costs time, not work.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import asyncpg
import structlog

from sautikitd.database.pool import Database, DatabaseUnavailable

log = structlog.get_logger()


GATHER_S = 0.01
"""Least time between two notifications: one after a pause goes at once, those of a rush together."""


class Waker:
    """Sends notifications after commit, coalesced: any number of wakes of a channel soon after one are one more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def wake(self, channel: str) -> None:
        """Asks for a notification on `channel`; returns at once."""
        self._wanted.add(channel)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())

    async def close(self) -> None:
        if self._task:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self) -> None:
        while self._wanted:
            channels, self._wanted = self._wanted, set()
            try:
                async with self._database.connection() as connection:
                    await connection.execute(
                        "SELECT pg_notify(channel, '') FROM unnest($1::text[]) channel", list(channels)
                    )
            except DatabaseUnavailable as exc:
                log.debug("wake-up lost; listeners poll", error=repr(exc))
            await asyncio.sleep(GATHER_S)


class Listener:
    """Calls what stands beside a channel whenever that is notified, and all of them at the start and whenever it had
    to connect anew, since it may have missed some.

    What was notified first on channels of one listener is told first.
    """

    def __init__(self, url: str, channels: Mapping[str, Callable[[], None]]) -> None:
        self._url = url
        self._channels = channels

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                await self._listen()
            except DatabaseUnavailable as exc:
                log.debug("listening stopped; polling goes on", error=repr(exc))
            await asyncio.sleep(1)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=10)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            for channel, on_wake in self._channels.items():
                await connection.add_listener(channel, lambda *_, tell=on_wake: tell())
            for on_wake in self._channels.values():
                on_wake()
            await lost.wait()
        finally:
            with contextlib.suppress(*DatabaseUnavailable):
                await connection.close(timeout=2)
