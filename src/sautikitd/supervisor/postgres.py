"""The embedded PostgreSQL as the supervisor runs it: stale remains cleared away, and never left running alone."""

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

from sautikitd.database.embedded import EmbeddedPostgres

_ORPHAN_STOP_SECONDS = 20.0

# Ends the server when our end of its standard input is gone, however we died. It reads nothing and costs one shell.
_GUARD = 'cat >/dev/null; kill -INT "$0" 2>/dev/null'


class GuardedPostgres:
    """Start, wait and stop as `EmbeddedPostgres` does; the server ends with this process even if that is killed."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder)
        self._guard: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        await clear_the_way(self.server.folder / "cluster")
        await self.server.start()
        self._guard = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _GUARD,
            str(self.server.pid),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def wait(self) -> int:
        status = await self.server.wait()
        await self._dismiss_guard()
        return status

    async def stop(self) -> None:
        await self.server.stop()
        await self._dismiss_guard()

    async def _dismiss_guard(self) -> None:
        """The guard goes once the server has: its process id may soon be another's."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)
        await guard.wait()


async def clear_the_way(cluster: Path) -> None:
    """Deals with `postmaster.pid` of an earlier life. Only for whoever holds the data folder's lock.

    A server still running there (its supervisor was killed a moment ago) is stopped; a file whose
    process id now belongs to something else is removed: PostgreSQL would take that process for a
    server and refuse to start.
    """
    file = cluster / "postmaster.pid"
    pid = _recorded_pid(file)
    if pid is None:
        return
    if not _is_server_of(pid, cluster):
        file.unlink(missing_ok=True)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    async with asyncio.timeout(_ORPHAN_STOP_SECONDS):
        while _is_server_of(pid, cluster):  # noqa: ASYNC110 - another's child: nothing to wait on
            await asyncio.sleep(0.05)


def _recorded_pid(file: Path) -> int | None:
    try:
        return int(file.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _is_server_of(pid: int, cluster: Path) -> bool:
    """Whether process `pid` is a running PostgreSQL of this cluster; a zombie has no command line and is not."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
    else:
        asked = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return "postgres" in command and str(cluster) in command
