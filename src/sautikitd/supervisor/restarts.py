"""When a process that died is started again, and when we stop trying."""

from collections import deque

FIRST_DELAY = 0.5
LONGEST_DELAY = 15.0
DEATHS = 6
WITHIN_SECONDS = 120.0


class RestartPolicy:
    """Delays of 0.5, 1, 2, 4, 8, 15 s while deaths come close together; six of them within two minutes are too many."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque(maxlen=DEATHS)

    def died(self, now: float) -> float | None:
        """Seconds to wait before the next start, given a death at `now` (monotonic); None: give up."""
        self._deaths.append(now)
        recent = sum(1 for death in self._deaths if now - death <= WITHIN_SECONDS)
        if recent >= DEATHS:
            return None
        return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** (recent - 1)))
