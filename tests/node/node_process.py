"""A voice node as an operator runs it: a process of its own, with its media processes, that can be killed."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from node.switchboard import Office
from ports import free_ports
from sautikitd.voice.sip.hops import Hop

_UP_WITHIN_S = 180.0  # a machine under load imports slowly


class NodeProcess:
    def __init__(self, process: asyncio.subprocess.Process, hop: Hop) -> None:
        self.hop = hop
        self._process = process

    async def kill(self) -> None:
        """SIGKILL; its media processes see it go, and end."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_UP_WITHIN_S):
            await self._process.wait()


@asynccontextmanager
async def node_process(office: Office, folder: Path) -> AsyncIterator[NodeProcess]:
    """On the office's database; it has said that it is ready."""
    sip, websocket, metrics = free_ports(3)
    environment = {
        **_environment_in(folder, office),
        "SAUTIKIT_SIP": f"127.0.0.1:{sip}",
        "SAUTIKIT_SIP_WS": f"127.0.0.1:{websocket}",
        "SAUTIKIT_VOICE_METRICS": f"127.0.0.1:{metrics}",
    }
    log = folder / "voice.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sautikitd.cli.main", "voice"), env=environment, stdout=out, stderr=out
        )
    running = NodeProcess(process, Hop(host="127.0.0.1", port=sip))
    try:
        async with asyncio.timeout(_UP_WITHIN_S):
            while b"voice ready" not in log.read_bytes():
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.1)
        yield running
    finally:
        await running.stop()


def _environment_in(folder: Path, office: Office) -> dict[str, str]:
    folder.mkdir()
    shutil.copy(office.platform.settings.master_keys, folder / "master.keys")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SAUTIKIT_")},
        "SAUTIKIT_DATA_DIR": str(folder),
        "SAUTIKIT_MEDIA_PROCESSES": "1",
        "DATABASE_URL": office.platform.database_url,
    }
