"""The beat of the media process: a tick each 20 ms, how late each was, and garbage collected where there is time."""

import asyncio
import gc
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Protocol

from sautikitd.voice.media.g711 import FRAME_S
from sautikitd.voice.media.protocol import LATE_MS, Beat

_MOST_CATCH_UP = 3
_IDLE_S = 0.010  # of a tick's time that must be left for a collection
_YOUNG_TICKS = 250
_FORCED_TICKS = 50 * 30
_WHOLE_TICKS = 50 * 60
_WHOLE_AT_MOST_S = 0.003  # a whole collection that took longer waits until no leg is up


class Beaten(Protocol):
    """What the ticker drives: a plane."""

    def tick(self) -> None: ...

    def skip(self, ticks: int) -> None: ...

    @property
    def idle(self) -> bool:
        """Whether no leg is up."""
        ...


class Collector:
    """Garbage collection, which is switched off, by hand: the young each five seconds, in the pause after a tick that
    left half of its time (after half a minute, in any); all of it each minute, unless the last took long and there
    are legs. What the process began with is frozen and never looked at again, so that all of it is what calls made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._young = self._whole = 0  # ticks since
        self._last_whole = 0.0
        self.worst = 0.0  # seconds

    def after_tick(self, left: float, *, idle: bool) -> None:
        """`left` is the time in seconds until the next tick."""
        self._young += 1
        self._whole += 1
        roomy = left >= _IDLE_S
        if self._young < (_YOUNG_TICKS if roomy else _FORCED_TICKS):
            return
        whole = roomy and self._whole >= _WHOLE_TICKS and (idle or self._last_whole <= _WHOLE_AT_MOST_S)
        start = self._clock()
        gc.collect(2 if whole else 0)
        took = self._clock() - start
        self.worst = max(self.worst, took)
        self._young = 0
        if whole:
            self._whole, self._last_whole = 0, took


class Ticker:
    """Calls the plane each 20 ms of an absolute schedule. Late ticks are made up for, three at once at most; those
    beyond are skipped: what was heard in them is kept, what would have been said is not."""

    def __init__(self, plane: Beaten, *, scheduling: str = "ordinary") -> None:
        self._plane = plane
        self._next = time.monotonic()
        self._handle: asyncio.TimerHandle | None = None
        self._scheduling = scheduling
        self._collector = Collector()
        self._late = [0] * (len(LATE_MS) + 1)
        self._late_sum = 0.0
        self._skipped = 0

    def run(self) -> None:
        late = time.monotonic() - self._next
        self._late[bisect_left(LATE_MS, late * 1000)] += 1
        self._late_sum += max(0.0, late)
        behind = int(late / FRAME_S) + 1
        if behind > _MOST_CATCH_UP:
            skipped = behind - _MOST_CATCH_UP
            self._plane.skip(skipped)
            self._skipped += skipped
            self._next += skipped * FRAME_S
        for _ in range(max(1, min(behind, _MOST_CATCH_UP))):
            self._plane.tick()
            self._next += FRAME_S
        self._collector.after_tick(self._next - time.monotonic(), idle=self._plane.idle)
        delay = max(0.0, self._next - time.monotonic())
        self._handle = asyncio.get_running_loop().call_later(delay, self.run)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    @property
    def beat(self) -> Beat:
        return Beat(
            late=tuple(self._late),
            late_s=self._late_sum,
            skipped=self._skipped,
            busy_s=time.process_time(),
            collection_ms=self._collector.worst * 1000,
            scheduling=self._scheduling,
        )
