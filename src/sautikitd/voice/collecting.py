"""Gathering digits: barge-in, the finish key, and the time between two digits."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from sautikitd.clock import Clock
from sautikitd.flow.port import Collected, CollectEnd

_MOST_BUFFERED = 128


class DigitBuffer:
    """Digits pressed and not yet used by a `collect`."""

    def __init__(self) -> None:
        self._digits: deque[str] = deque(maxlen=_MOST_BUFFERED)
        self._arrived = asyncio.Event()

    def put(self, digit: str) -> None:
        self._digits.append(digit)
        self._arrived.set()

    def clear(self) -> None:
        self._digits.clear()

    async def next(self) -> str:
        while not self._digits:
            self._arrived.clear()
            await self._arrived.wait()
        return self._digits.popleft()


async def collect(
    buffer: DigitBuffer,
    clock: Clock,
    *,
    max_digits: int,
    finish_on_key: str,
    timeout_s: float,
    play: Callable[[], Awaitable[None]] | None,
) -> Collected:
    """See `flow.port.Leg.collect`. `play` speaks the prompts; cancelling it cuts them short."""
    digits = ""
    playing = asyncio.ensure_future(play()) if play else None
    try:
        while True:
            digit = await _next_digit(buffer, clock, timeout_s, playing)
            if digit is None:
                return Collected(digits=digits, end=CollectEnd.TIMEOUT)
            await _cut_short(playing)
            if finish_on_key and digit in finish_on_key:
                return Collected(digits=digits, end=CollectEnd.KEY)
            digits += digit
            if max_digits and len(digits) >= max_digits:
                return Collected(digits=digits, end=CollectEnd.DIGITS)
    finally:
        await _cut_short(playing)


async def _next_digit(
    buffer: DigitBuffer, clock: Clock, timeout_s: float, playing: asyncio.Future[None] | None
) -> str | None:
    """The next digit; None when none came in time. Time runs once the prompts have ended."""
    digit = asyncio.ensure_future(buffer.next())
    timer: asyncio.Future[None] | None = None
    try:
        if playing is not None and not playing.done():
            first: set[asyncio.Future[Any]] = {digit, playing}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if playing.done() and not playing.cancelled():
                playing.result()  # a prompt that could not be played is the caller's to hear of
        if not digit.done():
            timer = asyncio.ensure_future(clock.sleep(timeout_s))
            either: set[asyncio.Future[Any]] = {digit, timer}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return digit.result() if digit.done() else None
    finally:
        for task in (digit, timer):
            if task is not None and not task.done():
                task.cancel()


async def _cut_short(playing: asyncio.Future[None] | None) -> None:
    if playing is not None and not playing.done():
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
