"""Wakes a dispatcher: by NOTIFY, by its own results, and by the clock, whichever comes first."""

import asyncio
from contextlib import suppress

import structlog

from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.events.log import CHANNEL

log = structlog.get_logger()


class WakeUps:
    """`shortest` and `longest` are the seconds between polls: doubling while nothing is found.

    They are real seconds, whatever clock the rest of a dispatcher has: pacing is no policy.
    """

    def __init__(self, database: Database, *, shortest: float = 0.25, longest: float = 1.0) -> None:
        self._database = database
        self._shortest = shortest
        self._longest = longest
        self._pause = shortest
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, *, found: bool) -> None:
        """Returns when woken, or when it is time to look again; `found`: the last look was not in vain."""
        self._pause = self._shortest if found else min(self._pause * 2, self._longest)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._woken.wait()
        self._woken.clear()

    async def listen(self) -> None:
        """Listens on the channel `webhooks` until cancelled; connects again when the connection is lost."""
        while True:
            try:
                await self._listen_once()
            except DatabaseUnavailable as error:
                log.warning("webhooks: not listening, polling only", error=repr(error))
            await asyncio.sleep(self._longest)

    async def _listen_once(self) -> None:
        lost = asyncio.Event()

        def on_notice(*_: object) -> None:
            self.wake()

        def on_loss(*_: object) -> None:
            lost.set()

        async with self._database.connection() as connection:
            connection.add_termination_listener(on_loss)
            await connection.add_listener(CHANNEL, on_notice)
            self.wake()  # something may have been written before we listened
            try:
                await lost.wait()
            finally:
                connection.remove_termination_listener(on_loss)
                await connection.remove_listener(CHANNEL, on_notice)
