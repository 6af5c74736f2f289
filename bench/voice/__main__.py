"""Legs on one core: what the media plane carries, beside rtpengine and a bare relay in the same run.

    python bench/voice [--legs 400 1000] [--seconds 10] [--loss 1] [--jitter-ms 30] [--key-frames 20] [--only ivr]

The measured process is kept to the last core and the load to the first, both with real-time scheduling where that
is allowed, so that what else the machine does stays out of it. CPU is user and system time of the
measured process (all its threads), in % of a core; gaps are between the packets it sends on one leg, as the kernel
stamped them on their way in. `late` is how late the load was itself, p99, in ms: where it is not small, the machine
was busy with something else and the gaps say little. Keys wrong of keys pressed is exact: order and number.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import ng
import work
from load import Load, Measured, Ports

WORKS: dict[str, type[work.Work]] = {
    "echo": work.BareRelay,
    "rtpengine": work.RtpengineRelay,
    "ivr": work.Ivr,
    "srtp": work.SecuredIvr,
    "bridge": work.Bridge,
    "conference": work.Conference,
}


async def measure(kind: type[work.Work], legs: int, options: argparse.Namespace, folder: Path) -> None:
    load_process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("load.py")),
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
        loss=options.loss / 100,
        jitter_ms=options.jitter_ms,
        key_frames=options.key_frames if one.keys else 0,
        rtcp=kind is not work.BareRelay and not one.srtp,
        srtp=one.srtp,
    )
    before, start = work.cpu_seconds(one.pid), time.monotonic()
    load_process.stdin.write(msgspec.json.encode(load) + b"\n")
    line = await load_process.stdout.readline()
    cpu = 100 * (work.cpu_seconds(one.pid) - before) / (time.monotonic() - start)
    measured = msgspec.json.decode(line, type=Measured)
    await load_process.wait()
    await asyncio.sleep(0.3)  # the last key is told
    show(one, legs, cpu, measured, one.verdict(load))
    await one.stop()


def pin(measured: int, load: int) -> None:
    """One core each, where there are two, and before everything else on the machine, where that is allowed."""
    cores = sorted(os.sched_getaffinity(0))
    for pid, core in ((measured, cores[-1]), (load, cores[0])):
        for task in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(task), {core})
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(1))


def show(one: work.Work, legs: int, cpu: float, measured: Measured, verdict: str) -> None:
    print(
        f"{one.name:<26}{legs:>6}{cpu:>8.1f}{cpu / legs * 1000:>8.0f}{measured.sent:>10}{measured.received:>10}"
        f"{measured.p50_ms:>8.2f}{measured.p99_ms:>8.2f}{measured.worst_ms:>8.1f}{measured.late_ms:>7.2f}"
        f"{measured.reports:>7}  {verdict}",
        flush=True,
    )


async def compare(options: argparse.Namespace) -> None:
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}, cores: {os.cpu_count()}")
    heads = ("CPU %", "%/1000", "sent", "received", "p50 ms", "p99 ms", "worst", "late", "RTCP")
    widths = (8, 8, 10, 10, 8, 8, 8, 7, 7)
    print(f"{'work':<26}{'legs':>6}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)))
    for legs in options.legs:
        for name in options.only or WORKS:
            if name == "rtpengine" and not ng.installed():
                print("rtpengine is not installed (Debian: apt install rtpengine-daemon): left out")
                continue
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                await measure(WORKS[name], legs, options, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description="Legs per core")
    parser.add_argument("--legs", type=int, nargs="+", default=[200])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--loss", type=float, default=1.0, help="of the packets sent to us, in %%")
    parser.add_argument("--jitter-ms", type=float, default=30.0)
    parser.add_argument("--key-frames", type=int, default=20, help="a key on each IVR leg each so many 20 ms")
    parser.add_argument("--only", nargs="+", choices=list(WORKS))
    parser.add_argument("--folder", help="where recordings are written while it runs")
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
