"""When a dispatcher looks for work: when woken, or by the clock, whichever comes first."""

import asyncio
import time
from contextlib import suppress


class WakeUps:
    """`shortest` and `longest` are the seconds between looks: doubling while nothing is found.

    They are real seconds, whatever clock the rest of a dispatcher has: pacing is no policy.
    """

    def __init__(self, *, shortest: float = 0.25, longest: float = 1.0) -> None:
        self._shortest = shortest
        self._longest = longest
        self._pause = shortest
        self._woken = asyncio.Event()
        self._last_time = 0.0

    def wake(self) -> None:
        self._woken.set()

    def is_time(self) -> bool:
        """Whether `shortest` has passed since this was last true: for what needs no look at every wake-up."""
        now = time.monotonic()
        if now - self._last_time < self._shortest:
            return False
        self._last_time = now
        return True

    async def wait(self, *, found: bool) -> None:
        """Returns when woken, or when it is time to look again; `found`: the last look was not in vain."""
        self._pause = self._shortest if found else min(self._pause * 2, self._longest)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._woken.wait()
        self._woken.clear()
