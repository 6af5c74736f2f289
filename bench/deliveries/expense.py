"""Where the processor time goes: of this process by part of the program, of PostgreSQL by kind of process."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_SAMPLE_S = 0.002  # of processor time

PARTS = (
    ("/egress/signatures", "signing"),
    ("/egress/", "HTTP client"),
    ("/aiohttp/", "HTTP client"),
    ("/database/pool", "queries: coding of values"),
    ("/asyncpg/", "queries: driver"),
    ("/webhooks/queue", "queries: claims and records"),
    ("/webhooks/attempt", "building and judging"),
    ("/events/", "building and judging"),
    ("/webhooks/", "dispatcher"),
)


@contextmanager
def sampling() -> Iterator[Counter[str]]:
    """Counts, every 2 ms of this process's processor time, the part of the program that was at work.

    Time in C (sockets, the loop, hashing) is its caller's. What no part called is the event loop's.
    """
    found: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        found[_part(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_S, _SAMPLE_S)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        for path, part in PARTS:
            if path in frame.f_code.co_filename:
                return part
        frame = frame.f_back
    return "event loop"


class Spent:
    """Processor microseconds since it was made: `own` of this process, `database` of PostgreSQL's by kind."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self._children = _children(postmaster)
        self._own = time.process_time()

    def own(self) -> float:
        return (time.process_time() - self._own) * 1e6

    def database(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for pid, (kind, now) in _children(self._postmaster).items():
            before = self._children.get(pid, (kind, 0.0))[1]
            spent[kind] = spent.get(kind, 0.0) + now - before
        return spent


def _children(parent: int) -> dict[int, tuple[str, float]]:
    """Kind and processor microseconds of every process below `parent`."""
    found: dict[int, tuple[str, float]] = {}
    below = {parent}
    stats = [_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    for _ in range(3):  # unshare, the postmaster, its processes
        below |= {pid for pid, of, _ in stats if of in below}
    for pid, _, title in stats:
        if pid in below and (spent := _on_processor_us(pid)) is not None:
            found[pid] = (title, spent)
    return found


def _stat(pid: int) -> tuple[int, int, str]:
    try:
        of = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return pid, 0, ""
    kind = words.removeprefix("postgres: ").strip()
    return pid, of, "connections" if kind.startswith("sautikit") else kind[:24]


def _on_processor_us(pid: int) -> float | None:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000
    except OSError:
        return None
