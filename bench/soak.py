"""Thousands of calls of mixed kinds through a whole installation, and what they leave behind: nothing.

    python bench/soak.py [--calls 1000] [--at-once 60] [--no-cut-off]

An installation of its own is started, in test mode over the simulated carrier; a few calls go over a live trunk whose
far end answers and is never heard of again. At the end every gauge has to be zero, every call has exactly one final
event, and the books are right: otherwise the exit code is 1. Memory is sampled every five seconds; its slope is
that of the calls after the first third.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from system.soak.soak import Soak, Soaked, prepared


def show(console: Console, soak: Soak, found: Soaked) -> None:
    rate = found.calls / found.seconds
    console.print(
        f"{found.calls} calls in {found.seconds:.0f} s, {rate:.1f} a second; idle {found.idle_after_s:.0f} s later"
    )
    console.print("kinds: " + ", ".join(f"{name} {count}" for name, count in found.kinds.most_common()))
    console.print("ended as: " + ", ".join(f"{name} {count}" for name, count in found.statuses.items()))
    console.print(f"without exactly one final event: {found.without_one_final_event}")
    console.print(f"final events delivered to a call: {dict(found.delivered_final_events)}")
    console.print(f"left open: {found.left or 'nothing'}")
    console.print(f"the books are {'right' if found.books_are_right else 'WRONG'}")
    table = Table(
        "process", "MB at first", "MB at a third", "MB at the end", "MB/1000 calls after", "descriptors more"
    )
    third = found.calls // 3
    for name, samples in soak.memory.resident.items():
        later = next((mb for calls, mb in samples if calls >= third), samples[-1][1])
        more = found.descriptors.get(name, 0)
        slope = soak.memory.slope(name, after=third)
        table.add_row(
            name,
            f"{samples[0][1]:.1f}",
            f"{later:.1f}",
            f"{samples[-1][1]:.1f}",
            f"{slope:+.2f}",
            f"{more:+d}",
        )
    console.print(table)
    for problem in found.problems[:30]:
        console.print(f"problem: {problem}", markup=False)


async def soak_it(calls: int, at_once: int, cut_off: bool) -> bool:
    """Whether all is well."""
    folder = Path(tempfile.mkdtemp(prefix="sko-"))
    console = Console(width=150)
    try:
        console.print("Starting an installation …")
        async with prepared(folder, at_once=at_once, cut_off=cut_off) as soak:
            found = await soak.run(calls, console.print)
            show(console, soak, found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    odd = found.left or found.problems or found.without_one_final_event or not found.books_are_right
    return not odd


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=60, help="how many of them go on together, about")
    parser.add_argument("--no-cut-off", action="store_true", help="no far ends that vanish: a minute less")
    given = parser.parse_args()
    sys.exit(not asyncio.run(soak_it(given.calls, given.at_once, not given.no_cut_off)))


if __name__ == "__main__":
    main()
