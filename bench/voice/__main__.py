"""Legs on one core: what the media plane carries, beside rtpengine and a bare relay in the same run.

    python bench/voice                     quick: every kind of work once, and where a tick's time goes; under 3 minutes
    python bench/voice --full              each three times for a minute, the quietest kept; 10^5 keys at 1,000 legs
    python bench/voice --only ivr --legs 400 1000 --seconds 10 --rounds 2

The measured process is kept to the last core and the load to the first, both with real-time scheduling where that
is allowed, so that what else the machine does stays out of it. CPU is user and system time of the measured process
(all its threads), in % of a core; `legs/core` is what that comes to. Gaps are between the packets it sends on one leg,
as the kernel stamped them on their way in, so a reader that is late does not matter. `late` is how late the load
itself sent, p99, in ms: where it is not small, the machine was busy with something else and the gaps say little.
`pause` is the longest for which the media process stood still with something to do (garbage, neighbours), as a limit
in ms, and after it how many there were over 5 ms; the line below it tells how many of them garbage collection caused.
Keys wrong of keys pressed is exact: order and number.

The relays are sent no jitter and lose nothing: they would pass on both, and their gaps would be the load's own.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import ng
import work
from load import Load, Measured, Ports

from sautikitd.voice.media.protocol import LATE_MS, Beat

_HERE = Path(__file__).parent
_PRIORITY = 10
_LONG_MS = 5.0

WORKS: dict[str, tuple[type[work.Work], int]] = {  # and how many legs
    "echo": (work.BareRelay, 1000),
    "rtpengine": (work.RtpengineRelay, 800),  # as many as are bridged
    "ivr": (work.Ivr, 1000),
    "bridge": (work.Bridge, 800),
    "conference": (work.Conference, 1000),
    "srtp": (work.SecuredIvr, 200),
    "opus": (work.Browser, 80),
}
HEADS = (
    *(("work", -26), ("legs", 6), ("CPU %", 8), ("legs/core", 11), ("received", 10), ("p50 ms", 8)),
    *(("p99 ms", 8), ("worst", 8), ("late", 7), ("RTCP", 7), ("pause", 12), ("keys wrong", 15)),
)


@dataclass(frozen=True)
class Row:
    name: str
    legs: int
    cpu: float
    measured: Measured
    beat: tuple[Beat, Beat] | None  # before and after
    keys: tuple[int, int] | None  # wrong, of

    def cells(self) -> tuple[str, ...]:
        measured = self.measured
        return (
            *(self.name, str(self.legs), f"{self.cpu:.1f}", f"{self.legs * 100 / self.cpu:.0f}"),
            *(str(measured.received), f"{measured.p50_ms:.2f}", f"{measured.p99_ms:.2f}"),
            *(f"{measured.worst_ms:.1f}", f"{measured.late_ms:.2f}", str(measured.reports)),
            _pauses(*self.beat) if self.beat is not None else "",
            "" if self.keys is None else f"{self.keys[0]}/{self.keys[1]}",
        )

    @property
    def collected(self) -> str:
        """Which of the pauses are the garbage collector's: the others are a full core, or other processes."""
        if self.beat is None:
            return ""
        before, after = self.beat
        counts = [now - then for now, then in zip(after.collections, before.collections, strict=True)]
        long = sum(counts[LATE_MS.index(_LONG_MS) + 1 :])
        return (
            f"    pauses above {_LONG_MS:.0f} ms caused by garbage collection: {long}"
            f" ({sum(counts)} collections, the longest since the start {after.collection_ms:.2f} ms)"
        )


def _pauses(before: Beat, after: Beat) -> str:
    counts = [now - then for now, then in zip(after.pauses, before.pauses, strict=True)]
    longest = max((index for index, count in enumerate(counts) if count), default=0)
    limit = f"<{LATE_MS[longest]:.0f}" if longest < len(LATE_MS) else f">{LATE_MS[-1]:.0f}"
    return f"{limit} ({sum(counts[LATE_MS.index(_LONG_MS) + 1 :])})"


async def measure(kind: type[work.Work], legs: int, options: argparse.Namespace, folder: Path) -> Row:
    load_process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_HERE / "load.py"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert load_process.stdin is not None
    assert load_process.stdout is not None
    ports = msgspec.json.decode(await load_process.stdout.readline(), type=Ports)
    one = kind()
    targets = await one.start(legs, ports, folder)
    pin(one.pid, load_process.pid)
    load = Load(
        targets=targets,
        seconds=options.seconds,
        loss=0.0 if one.relays else options.loss / 100,
        jitter_ms=0.0 if one.relays else options.jitter_ms,
        key_frames=options.key_frames if one.keys else 0,
        rtcp=kind is not work.BareRelay and not one.srtp,
        srtp=one.srtp,
        opus=one.opus,
    )
    beat, before, start = await one.beat(), work.cpu_seconds(one.pid), time.monotonic()
    load_process.stdin.write(msgspec.json.encode(load) + b"\n")
    line = await load_process.stdout.readline()
    cpu = 100 * (work.cpu_seconds(one.pid) - before) / (time.monotonic() - start)
    measured = msgspec.json.decode(line, type=Measured)
    await load_process.wait()
    await asyncio.sleep(0.3)  # the last key is told
    after = await one.beat()
    row = Row(one.name, legs, cpu, measured, (beat, after) if beat and after else None, one.wrong(load))
    await one.stop()
    return row


def pin(measured: int, load: int) -> None:
    """One core each, where there are two, and before everything else on the machine, where that is allowed; threads
    of one process keep their order among themselves."""
    cores = sorted(os.sched_getaffinity(0))
    for pid, core in ((measured, cores[-1]), (load, cores[0])):
        for task in map(int, os.listdir(f"/proc/{pid}/task")):
            os.sched_setaffinity(task, {core})
            with contextlib.suppress(PermissionError):
                own = os.sched_getparam(task).sched_priority
                os.sched_setscheduler(task, os.SCHED_RR, os.sched_param(own + _PRIORITY))


def beside_rtpengine(shown: list[Row]) -> None:
    """What a bridged leg costs beside one that rtpengine relays, as many of both in the same run."""
    relayed = {row.legs: row for row in shown if row.name == work.RtpengineRelay.name}
    for row in shown:
        if row.name == work.Bridge.name and (other := relayed.get(row.legs)) is not None:
            print(
                f"CPU of a bridged leg, mixed and recorded at {row.legs} legs: {row.cpu / other.cpu:.2f} times rtpengine's,"
                " which relays only"
            )


def show(cells: tuple[str, ...]) -> None:
    line = "".join(
        f"{cell:<{-width}}" if width < 0 else f"{cell:>{width}}"
        for cell, (_, width) in zip(cells, HEADS, strict=True)
    )
    print(line, flush=True)


async def compare(options: argparse.Namespace) -> None:
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}, cores: {os.cpu_count()}")
    show(tuple(head for head, _ in HEADS))
    shown: list[Row] = []
    for name in options.only or WORKS:
        if name == "rtpengine" and not ng.installed():
            print("rtpengine is not installed (Debian: apt install rtpengine-daemon): left out")
            continue
        kind, usual = WORKS[name]
        for legs in options.legs or [usual]:
            rows = []
            for _ in range(options.rounds):
                with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                    rows.append(await measure(kind, legs, options, Path(folder)))
            best = min(rows, key=lambda row: row.measured.p99_ms)
            shown.append(best)
            show(best.cells())
            if best.collected:
                print(best.collected)
            if options.rounds > 1 and rows[0].keys is not None:
                wrong, pressed = (sum(row.keys[part] for row in rows if row.keys) for part in (0, 1))
                print(f"    keys of all rounds: {wrong} wrong of {pressed}")
    beside_rtpengine(shown)
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}\n")
    for what in ("ivr", "bridge"):
        if not options.only or what in options.only:
            process = await asyncio.create_subprocess_exec(sys.executable, str(_HERE / "anatomy.py"), what)
            await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Legs per core")
    parser.add_argument("--full", action="store_true", help="three rounds of a minute each")
    parser.add_argument("--legs", type=int, nargs="+", help="usual: as many as a core should carry")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rounds", type=int, help="of which the one with the least gaps is shown")
    parser.add_argument("--loss", type=float, default=1.0, help="of the packets sent to us, in %%")
    parser.add_argument("--jitter-ms", type=float, default=30.0)
    parser.add_argument("--key-frames", type=int, default=20, help="a key on each IVR leg each so many 20 ms")
    parser.add_argument("--only", nargs="+", choices=list(WORKS))
    parser.add_argument("--folder", help="where recordings are written while it runs")
    options = parser.parse_args()
    options.seconds = options.seconds or (60.0 if options.full else 8.0)
    options.rounds = options.rounds or (3 if options.full else 1)
    asyncio.run(compare(options))


if __name__ == "__main__":
    main()
