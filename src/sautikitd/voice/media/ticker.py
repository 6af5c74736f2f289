"""The beat of the media process: a tick each 20 ms, how late each was, and garbage collected where there is time."""

import asyncio
import gc
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Protocol

from sautikitd.voice.media.collection_watch import CollectionWatch
from sautikitd.voice.media.g711 import FRAME_S
from sautikitd.voice.media.protocol import LATE_MS, Beat

_MOST_CATCH_UP = 3
_READY_KEPT = 0.998  # in each tick: half of it in seven seconds
_READY_AT_MOST_S = 0.016  # which leaves 4 ms to send in
_IDLE_S = 0.010  # of a tick's time that must be left for a collection
_YOUNG_TICKS = 250
_FORCED_TICKS = 50 * 30
_WHOLE_TICKS = 50 * 60
_WHOLE_AT_MOST_S = 0.003  # a whole collection that took longer waits until no leg is up
_MANY_YOUNG = 5_000  # new things, which take half a millisecond to look through: more are not let gather
_MANY_OLD = 20_000  # likewise, of which a whole collection would take some milliseconds


class Beaten(Protocol):
    """What the ticker drives: a plane."""

    def prepare(self) -> None: ...

    def send(self) -> None: ...

    def skip(self, ticks: int) -> None: ...

    @property
    def idle(self) -> bool:
        """Whether no leg is up."""
        ...


class Collector:
    """Garbage collection, which is switched off, by hand: the young each five seconds, in the pause after a tick that
    left half of its time (after half a minute, or once many have come, in any); all of it each minute, unless that would
    take long and there are legs. What the process began with is frozen and never looked at again, so that all of it is
    what calls made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._young = self._whole = 0  # ticks since
        self._last_whole = 0.0
        self._old = 0  # things that have lived through a collection, about

    def after_tick(self, left: float, *, idle: bool) -> float:
        """`left` is the time in seconds until the next tick; how much of it was taken."""
        self._young += 1
        self._whole += 1
        roomy = left >= _IDLE_S
        new = gc.get_count()[0]
        if self._young < (_YOUNG_TICKS if roomy else _FORCED_TICKS) and new < _MANY_YOUNG:
            return 0.0
        quick = self._last_whole <= _WHOLE_AT_MOST_S and self._old + new <= _MANY_OLD
        whole = roomy and self._whole >= _WHOLE_TICKS and (idle or quick)
        start = self._clock()
        gone = gc.collect(2 if whole else 0)
        took = self._clock() - start
        self._old = max(0, self._old + new - gone)
        self._young = 0
        if whole:
            self._whole, self._last_whole = 0, took
        return took


class Pace:
    """A tick takes longer where more came in. So that its packets leave evenly all the same, they wait until the
    latest that a tick of the last seconds was ready, at most 16 ms: on a quiet machine that is no time at all."""

    def __init__(self) -> None:
        self._latest = 0.0

    def wait(self, ready: float) -> float:
        """How long a tick that is ready so many seconds after its time waits before it sends."""
        self._latest = min(max(ready, self._latest * _READY_KEPT), _READY_AT_MOST_S)
        return max(0.0, self._latest - ready)


class Ticker:
    """Drives the plane each 20 ms of an absolute schedule. Late ticks are made up for, three at once at most; those
    beyond are skipped: what was heard in them is kept, what would have been said is not.
    """

    def __init__(self, plane: Beaten, *, scheduling: str = "ordinary") -> None:
        self._plane = plane
        self._next = self._due = time.monotonic()  # the tick's time; when we asked to be woken
        self._handle: asyncio.TimerHandle | None = None
        self._scheduling = scheduling
        self._collector = Collector()
        self._collections = CollectionWatch()
        self._collections.begin()
        self._pace = Pace()
        self._late = [0] * (len(LATE_MS) + 1)
        self._pauses = [0] * (len(LATE_MS) + 1)
        self._late_sum = 0.0
        self._skipped = 0

    def run(self) -> None:
        self._pause(time.monotonic() - self._due)
        self._undisturbed(self._prepare)
        ready = time.monotonic() - self._next
        self._call(self._pace.wait(ready), self._send)

    def _prepare(self) -> None:
        late = time.monotonic() - self._next
        self._late[bisect_left(LATE_MS, late * 1000)] += 1
        self._late_sum += max(0.0, late)
        behind = int(late / FRAME_S) + 1
        if behind > _MOST_CATCH_UP:
            skipped = behind - _MOST_CATCH_UP
            self._plane.skip(skipped)
            self._skipped += skipped
            self._next += skipped * FRAME_S
        for _ in range(min(behind, _MOST_CATCH_UP) - 1):
            self._plane.prepare()
            self._plane.send()
            self._next += FRAME_S
        self._plane.prepare()

    def _send(self) -> None:
        self._pause(time.monotonic() - self._due)
        self._undisturbed(self._plane.send)
        self._next += FRAME_S
        took = self._collector.after_tick(self._next - time.monotonic(), idle=self._plane.idle)
        if took:
            self._pause(took)
        self._call(self._next - time.monotonic(), self.run)

    def _call(self, delay: float, what: Callable[[], None]) -> None:
        self._due = time.monotonic() + max(0.0, delay)
        self._handle = asyncio.get_running_loop().call_later(max(0.0, delay), what)

    def _undisturbed(self, work: Callable[[], None]) -> None:
        """Does it, and counts the time in which this thread had to wait: for a core, a page, or the interpreter."""
        begun, spent = time.monotonic(), time.thread_time()
        work()
        self._pause(time.monotonic() - begun - (time.thread_time() - spent))

    def _pause(self, seconds: float) -> None:
        self._pauses[bisect_left(LATE_MS, seconds * 1000)] += 1

    def stop(self) -> None:
        self._collections.end()
        if self._handle is not None:
            self._handle.cancel()

    @property
    def beat(self) -> Beat:
        return Beat(
            late=tuple(self._late),
            late_s=self._late_sum,
            pauses=tuple(self._pauses),
            skipped=self._skipped,
            busy_s=time.process_time(),
            collection_ms=self._collections.worst_ms,
            collections=tuple(self._collections.pauses),
            scheduling=self._scheduling,
        )
