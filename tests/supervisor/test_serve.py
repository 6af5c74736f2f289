"""`sautikitd serve` as an operator meets it: started, doubled, wounded, killed, started again, stopped."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from ports import free_ports
from supervisor.processes import running_with, until

SOURCE = str(Path(__file__).parents[2] / "src")


class Serving:
    def __init__(self, data: Path) -> None:
        http, sip, carrier, control = free_ports(4)
        self.data = data
        self.url = f"http://127.0.0.1:{http}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "PYTHONPATH": SOURCE,
            "SAUTIKIT_DATA_DIR": str(data),
            "SAUTIKIT_HTTP": f"127.0.0.1:{http}",
            "SAUTIKIT_SIP": f"127.0.0.1:{sip}",
            "SAUTIKIT_CARRIER": f"127.0.0.1:{carrier}",
            "SAUTIKIT_CARRIER_CONTROL": f"127.0.0.1:{control}",
        }
        self.log = data.parent / "serve.log"

    async def start(self, **changes: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sautikitd.cli.main",
                "serve",
                env={**self.environment, **changes},
                stdout=log,
                stderr=log,
            )

    async def up(self) -> None:
        """Every role has said that it is ready since the last start, and the API agrees."""
        already = self.said("everything is ready")
        await until(lambda: self.said("everything is ready") > already, 60)
        assert await self.ready()

    async def ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def said(self, text: str) -> int:
        return self.log.read_text().count(text)

    def postmaster(self) -> int:
        file = self.data / "postgres" / "cluster" / "postmaster.pid"
        return int(file.read_text().splitlines()[0])


@pytest.mark.slow
async def test_a_served_installation_survives_what_happens_to_it(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "data")
    first = await serving.start()
    await serving.up()

    same_folder = await serving.start()
    assert await same_folder.wait() == 3
    assert serving.said(f"Another sautikitd (process {first.pid}) is using the data folder") == 1
    same_port = await serving.start(SAUTIKIT_DATA_DIR=str(tmp_path / "other"))
    assert await same_port.wait() == 3
    assert re.search(
        r"port \d+ on 127.0.0.1, wanted for \w+, is taken by process \d+", serving.log.read_text()
    )

    os.kill(serving.postmaster(), signal.SIGKILL)
    await until(lambda: serving.said("PostgreSQL is back") == 1, 30)
    async with asyncio.timeout(20):
        while not await serving.ready():
            await asyncio.sleep(0.05)

    assert serving.said("starting it again") == 1, "every role outlives a restart of PostgreSQL"

    first.kill()
    await first.wait()
    await until(lambda: not running_with(str(serving.data)), 30)

    second = await serving.start()
    await serving.up()
    second.terminate()
    async with asyncio.timeout(60):
        assert await second.wait() == 0
    await until(lambda: not running_with(str(serving.data)), 5)
