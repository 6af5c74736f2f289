"""Real processes, kept running, and none of them left behind."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sautikitd.clock import SystemClock
from sautikitd.supervisor.child import RoleSpec
from sautikitd.supervisor.output import Output
from sautikitd.supervisor.supervision import GaveUp, Supervision
from supervisor.processes import until

# A role that says it is ready, leaves a child of its own in the process group, and ends on SIGTERM.
OBEDIENT = """
import signal, subprocess, sys
from sautikitd.supervisor.lifeline import Lifeline
lifeline = Lifeline.from_environment()
subprocess.Popen(["sleep", "300"])
signal.signal(signal.SIGTERM, lambda *_: (print("ending", flush=True), sys.exit(0)))
lifeline.end_with_parent()
lifeline.announce_ready()
while True:
    signal.pause()
"""
STUBBORN = OBEDIENT.replace('lambda *_: (print("ending", flush=True), sys.exit(0))', "signal.SIG_IGN")
FAILING = "import sys; sys.exit(3)"


class HurriedClock(SystemClock):
    """Waits for a restart take no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Stage:
    def __init__(self, roles: dict[str, str], *, stop_seconds: float = 5.0) -> None:
        self.shown = io.StringIO()
        self.supervision = Supervision(
            [
                RoleSpec(name=name, command=[sys.executable, "-c", code], stop_seconds=stop_seconds)
                for name, code in roles.items()
            ],
            environment={**os.environ, "PYTHONPATH": _source()},
            output=Output(self.shown),
            clock=HurriedClock(),
        )

    def pid(self, role: str) -> int:
        pid = self.supervision.pid_of(role)
        assert pid is not None
        return pid


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(stage.supervision.run())
    ready = asyncio.create_task(stage.supervision.until_ready())
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED, timeout=20)
    ready.cancel()
    yield task
    stage.supervision.stop()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 20)


def _source() -> str:
    return str(Path(__file__).parents[2] / "src")


def group_is_empty(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return all(state == "Z" for state in _states_in_group(pid))


def _states_in_group(group: int) -> list[str]:
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return states


async def test_stopping_ends_the_roles_in_their_order_and_leaves_nothing_behind() -> None:
    stage = Stage({"first": OBEDIENT, "second": OBEDIENT})
    async with running(stage):
        groups = [stage.pid("first"), stage.pid("second")]
    ended = [line for line in stage.shown.getvalue().splitlines() if '"ending"' in line]
    assert ['"first"' in line for line in ended] == [True, False]
    await until(lambda: all(group_is_empty(group) for group in groups))


async def test_a_role_that_is_killed_is_started_again_without_its_leftovers() -> None:
    stage = Stage({"only": OBEDIENT})
    async with running(stage):
        before = stage.pid("only")
        os.kill(before, signal.SIGKILL)
        await until(lambda: stage.pid("only") != before)
        await until(lambda: group_is_empty(before))
    assert "was ended by signal 9; starting it again" in stage.shown.getvalue()


async def test_a_role_that_dies_again_and_again_ends_everything_with_a_reason() -> None:
    stage = Stage({"well": OBEDIENT, "broken": FAILING})
    async with running(stage) as task:
        with pytest.raises(GaveUp, match="broken died 6 times"):
            await asyncio.wait_for(task, 20)
    await until(lambda: group_is_empty(stage.pid("well")))


async def test_a_role_that_does_not_listen_is_killed_after_its_time() -> None:
    stage = Stage({"deaf": STUBBORN}, stop_seconds=0.2)
    async with running(stage):
        pid = stage.pid("deaf")
    assert "deaf did not end in time and was killed" in stage.shown.getvalue()
    await until(lambda: group_is_empty(pid))


async def test_a_second_stop_waits_for_nobody() -> None:
    stage = Stage({"deaf": STUBBORN}, stop_seconds=60)
    async with running(stage) as task:
        stage.supervision.stop()
        stage.supervision.stop()
        await asyncio.wait_for(task, 5)


KILLED_SUPERVISOR = """
import asyncio, os, sys
from sautikitd.supervisor.child import RoleSpec
from sautikitd.supervisor.output import Output
from sautikitd.supervisor.supervision import Supervision

async def main():
    role = RoleSpec(name="only", command=[sys.executable, "-c", os.environ["ROLE"]])
    supervision = Supervision([role], environment=os.environ, output=Output())
    running = asyncio.create_task(supervision.run())
    await supervision.until_ready()
    print(supervision.pid_of("only"), flush=True)
    await running

asyncio.run(main())
"""


async def test_roles_end_when_the_supervisor_is_killed() -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - its output is read in a thread
        [sys.executable, "-c", KILLED_SUPERVISOR],
        env={**os.environ, "PYTHONPATH": _source(), "ROLE": OBEDIENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        role = int(await asyncio.to_thread(process.stdout.readline))
        process.kill()
    await until(lambda: "S" not in _states_of(role) and "R" not in _states_of(role))


def _states_of(pid: int) -> list[str]:
    try:
        return [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]]
    except OSError:
        return []
