"""How long the garbage collector has kept the process standing still, whoever set it going.

In time of its own on a core, so that a process which has to wait for one does not count as garbage.
"""

import gc
import time
from bisect import bisect_left
from typing import Any

from sautikitd.voice.media.protocol import LATE_MS


class CollectionWatch:
    """Counts every collection by its length, up to each of `LATE_MS` and longer, from `begin` to `end`."""

    def __init__(self) -> None:
        self.pauses = [0] * (len(LATE_MS) + 1)
        self.worst_ms = 0.0
        self._begun = 0.0

    def begin(self) -> None:
        gc.callbacks.append(self._note)

    def end(self) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._begun = time.thread_time()
        else:
            took_ms = (time.thread_time() - self._begun) * 1000
            self.pauses[bisect_left(LATE_MS, took_ms)] += 1
            self.worst_ms = max(self.worst_ms, took_ms)
