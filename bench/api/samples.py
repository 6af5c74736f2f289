"""Where a process's time goes: once a millisecond of processor time, the code that is running (setitimer(2), ITIMER_PROF)."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

_INTERVAL_SECONDS = 0.001
_HTTP = {"kernel", "exchange", "conventions", "validation", "idempotency", "rate_limit", "patience"}


class Samples:
    """`load` (a value of multiprocessing) says what is being asked: nothing (-1), or which load to count for."""

    def __init__(self, load: Any) -> None:
        self._load = load
        self.counted: dict[int, Counter[str]] = {}
        self._counter: Counter[str] = Counter()

    async def run(self) -> None:
        signal.signal(signal.SIGPROF, self._note)
        sampled = -1
        while True:
            if self._load.value != sampled:
                sampled = self._load.value
                self._counter = self.counted.setdefault(sampled, Counter())
                interval = _INTERVAL_SECONDS if sampled >= 0 else 0
                signal.setitimer(signal.ITIMER_PROF, interval, interval)
            await asyncio.sleep(0.05)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._counter[part_of(frame.f_code.co_filename) if frame else "other"] += 1


def part_of(filename: str) -> str:
    """`http/kernel`, `identity`, `asyncpg`: which part of ours, or which library, a file belongs to."""
    parts = Path(filename).with_suffix("").parts
    if "sautikitd" in parts:
        room = parts[parts.index("sautikitd") + 1 :]
        return "/".join(room) if room[0] == "http" and room[-1] in _HTTP else room[0]
    for library in ("asyncpg", "granian", "prometheus_client", "asyncio", "json"):
        if library in parts:
            return library
    return "event loop, server and C code" if parts[-1].startswith(("runners", "http_servers")) else parts[-1]
