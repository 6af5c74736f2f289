"""A warm subprocess that does one job at a time: messages with their length before them, on its standard streams."""

import asyncio
import struct
import sys
from collections.abc import Callable
from typing import IO

from sautikitd.flow.port import PromptUnavailable

_LENGTH = struct.Struct("!I")
_LARGEST_ANSWER = 64 * 1024 * 1024
_EXIT_S = 2.0


class Worker:
    """Starts at its first job; is killed, and started anew for the next, when it dies or takes too long."""

    def __init__(self, module: str, *, timeout_s: float) -> None:
        self._module = module
        self._timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def ask(self, job: bytes) -> bytes:
        """The worker's answer. Raises `PromptUnavailable` when it dies over the job or does not answer in time."""
        async with self._turn:
            finished = False
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._exchange(job)
                finished = True
                return answer
            except TimeoutError:
                raise PromptUnavailable(f"the sound was not ready within {self._timeout_s:g} s") from None
            except (asyncio.IncompleteReadError, ConnectionError):
                raise PromptUnavailable(
                    "the sound could not be made: its worker broke down over it"
                ) from None
            finally:
                if not finished:
                    await self._kill()

    async def _exchange(self, job: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        if process.stdin is None or process.stdout is None:
            raise ConnectionError("the worker has no pipes")
        process.stdin.write(_LENGTH.pack(len(job)) + job)
        await process.stdin.drain()
        (size,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
        if size > _LARGEST_ANSWER:
            raise ConnectionError("the worker's answer is too large")
        return await process.stdout.readexactly(size)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def close(self) -> None:
        """Lets the worker end; it may be asked again, and then starts anew."""
        async with self._turn:
            process = self._process
            if process is not None and process.stdin is not None:
                process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), _EXIT_S)
                except TimeoutError:
                    await self._kill()
            self._process = None


def serve(answer: Callable[[bytes], bytes], jobs: IO[bytes], answers: IO[bytes]) -> None:
    """The worker's side: answers jobs until there are no more."""
    while len(head := jobs.read(_LENGTH.size)) == _LENGTH.size:
        made = answer(jobs.read(_LENGTH.unpack(head)[0]))
        answers.write(_LENGTH.pack(len(made)) + made)
        answers.flush()
