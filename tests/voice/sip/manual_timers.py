"""A scheduler that moves only when told to, and an outlet that keeps what is sent."""

import heapq
import itertools
from collections.abc import Callable

from sautikitd.voice.sip.hops import Flow, Hop


class Ring:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualScheduler:
    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Ring]] = []

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Ring:
        ring = Ring(callback)
        heapq.heappush(self._heap, (self.now + delay, next(self._order), ring))
        return ring

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, ring = heapq.heappop(self._heap)
            if ring.callback is not None:
                ring.callback()
        self.now = end

    @property
    def pending(self) -> int:
        return sum(ring.callback is not None for _, _, ring in self._heap)


class Wire:
    """Keeps (time, bytes) of all that is sent; `broken` makes every sending fail."""

    def __init__(self, scheduler: ManualScheduler) -> None:
        self._scheduler = scheduler
        self.sent: list[tuple[float, bytes]] = []
        self.broken = False

    def send(
        self, data: bytes, hop: Hop, failed: Callable[[OSError], None], flow: Flow | None = None
    ) -> None:
        self.sent.append((round(self._scheduler.now, 3), data))
        if self.broken:
            failed(OSError("broken on purpose"))

    @property
    def times(self) -> list[float]:
        return [moment for moment, _ in self.sent]

    @property
    def start_lines(self) -> list[str]:
        return [data.split(b"\r\n")[0].decode() for _, data in self.sent]
