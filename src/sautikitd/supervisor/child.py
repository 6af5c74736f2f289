"""One run of a role: started in a process group of its own, its lines read, its end waited for."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sautikitd.supervisor.lifeline import VARIABLE

_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class RoleSpec:
    """A role to run: its name in the log, its command, and how long its start and its end may take (seconds)."""

    name: str
    command: Sequence[str]
    start_seconds: float = 30.0
    stop_seconds: float = 10.0


class Child:
    def __init__(
        self, spec: RoleSpec, process: asyncio.subprocess.Process, ready: asyncio.Future[bool]
    ) -> None:
        self.spec = spec
        self._process = process
        self._ready = ready
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        spec: RoleSpec,
        *,
        environment: Mapping[str, str],
        parent_pipe: int,
        descriptors: Sequence[int] = (),
        on_line: Callable[[str, str], None],
    ) -> "Child":
        """`parent_pipe` is a pipe end that breaks when we die; `descriptors` are inherited besides."""
        ready_read, ready_write = os.pipe()
        # A pipe of our own: asyncio's `wait` would wait for the end of its pipes too, and a grandchild may hold one open.
        output_read, output_write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                env={**environment, VARIABLE: f"{parent_pipe},{ready_write}"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(parent_pipe, ready_write, *descriptors),
                start_new_session=True,  # Ctrl-C comes to us alone; we stop the roles in order
            )
        except BaseException:
            os.close(ready_read)
            os.close(output_read)
            raise
        finally:
            os.close(ready_write)
            os.close(output_write)
        child = cls(spec, process, _end_of(ready_read))
        child._reader = asyncio.create_task(_read_lines(output_read, lambda line: on_line(spec.name, line)))
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def until_ready(self) -> bool:
        """True once it says so; False when it ended, or runs and kept silent for `start_seconds`."""
        try:
            async with asyncio.timeout(self.spec.start_seconds):
                if await asyncio.shield(self._ready):
                    return True
                await self._process.wait()  # the pipe ended without a word: so does the role
        except TimeoutError:
            return False
        return False

    async def wait(self) -> int:
        """Its exit status, negative for a signal; whatever it left behind in its group is killed."""
        status = await self._process.wait()
        self._kill_group()
        if self._reader:
            await asyncio.wait([self._reader], timeout=1)
            self._reader.cancel()
        return status

    async def stop(self) -> bool:
        """Asks it to end, waits `stop_seconds`, then kills. False when it had to be killed."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(self._process.wait()), self.spec.stop_seconds)
        except TimeoutError:
            self.kill()
            await self._process.wait()
            return False
        return True

    def kill(self) -> None:
        self._kill_group()
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # Not by asyncio: it polls first, and its own watcher then finds nobody to wait for and invents a status.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


async def _read_lines(descriptor: int, on_line: Callable[[str], None]) -> None:
    stream = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while True:
            try:
                line = await stream.readuntil(b"\n")
            except asyncio.IncompleteReadError as exc:
                if exc.partial:
                    on_line(exc.partial.decode(errors="replace"))
                return
            except asyncio.LimitOverrunError as exc:
                line = await stream.readexactly(exc.consumed or _LONGEST_LINE)
            on_line(line.decode(errors="replace").rstrip("\n"))
    finally:
        transport.close()


def _end_of(descriptor: int) -> asyncio.Future[bool]:
    """Resolves when the pipe has something to say: True for a word, False for its end."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[bool] = loop.create_future()

    def read() -> None:
        word = os.read(descriptor, 64)
        loop.remove_reader(descriptor)
        os.close(descriptor)
        if not outcome.done():
            outcome.set_result(bool(word))

    loop.add_reader(descriptor, read)
    return outcome
