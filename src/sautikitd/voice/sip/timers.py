"""The timers of RFC 3261 table 4, and who rings them."""

from collections.abc import Callable
from typing import Protocol

import msgspec


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """Rings timers. An asyncio loop is one; tests bring their own that moves only when told to."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Cancellable: ...


class Timers(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. T1 is the estimated round trip, T2 the longest gap between repetitions, T4 the longest
    life of a message in the network. Everything else follows from them."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def transaction(self) -> float:
        """64*T1: timers B, F, H, J, L and M, and the wait for an ACK."""
        return 64 * self.t1

    def wait_d(self, *, reliable: bool) -> float:
        """Timer D: how long answers to an INVITE that failed are still acknowledged."""
        return 0.0 if reliable else self.transaction  # 32 s at the usual T1

    def next_gap(self, gap: float) -> float:
        return min(2 * gap, self.t2)
