"""Keeps a flow from spinning: callbacks that redirect to each other while the caller hears nothing."""

from collections import deque

from sautikitd.clock import Clock

MAX_A_MINUTE = 100
MAX_IN_SILENCE = 20


class FlowSpinning(Exception):
    """The flow asks and asks and does nothing; it is given up."""


class AskingPace:
    """At most 100 questions in any minute, and 20 in a row without an action that takes the caller's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: deque[float] = deque()
        self._in_silence = 0

    def asking(self) -> None:
        """Counts one question; raises `FlowSpinning` when it is one too many."""
        now = self._clock.monotonic()
        while self._asked and now - self._asked[0] >= 60:
            self._asked.popleft()
        self._asked.append(now)
        self._in_silence += 1
        if len(self._asked) > MAX_A_MINUTE:
            raise FlowSpinning(f"more than {MAX_A_MINUTE} callbacks within a minute")
        if self._in_silence > MAX_IN_SILENCE:
            raise FlowSpinning(f"more than {MAX_IN_SILENCE} callbacks in a row without anything to hear")

    def took_time(self) -> None:
        self._in_silence = 0
