"""The carrier as the process it is in production: started by the command line, ended by a signal."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from ports import free_port
from sautikitd.voice.sip.events import RemoteBye
from sautikitd.voice.sip.user_agent import UserAgent
from simulators.carrier.far_side import FarSide

_START_S = 15.0  # of a busy machine; alone it takes about one


async def start(folder: Path, **settings: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONPATH": "src", "SAUTIKIT_DATA_DIR": str(folder), **settings}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sautikitd.cli.main", "carrier"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )


@asynccontextmanager
async def running(folder: Path, sip: int, control: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(
        folder,
        SAUTIKIT_CARRIER=f"127.0.0.1:{sip}",
        SAUTIKIT_CARRIER_CONTROL=f"127.0.0.1:{control}",
    )
    try:
        async with asyncio.timeout(_START_S):
            assert process.stderr is not None
            while b"carrier ready" not in (line := await process.stderr.readline()):
                assert line, "the carrier ended"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_it_answers_calls_and_control_and_says_goodbye_when_it_is_stopped(
    tmp_path: Path, agent: UserAgent
) -> None:
    sip, control = free_port(), free_port()
    far_side = FarSide(agent, ("127.0.0.1", sip))
    async with running(tmp_path, sip, control) as process:
        phone = await far_side.call("+254700000001")
        await phone.answered()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{control}/healthz") as response,
        ):
            assert (await response.json())["calls"] == 1
        process.send_signal(signal.SIGTERM)
        await phone.until(RemoteBye)
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    far_side.close()


@pytest.mark.parametrize("variable", ["SAUTIKIT_CARRIER", "SAUTIKIT_CARRIER_CONTROL"])
async def test_it_refuses_an_address_that_others_can_reach(tmp_path: Path, variable: str) -> None:
    settings = {"SAUTIKIT_CARRIER": "127.0.0.1:5070", variable: "0.0.0.0:5075"}
    process = await start(tmp_path, **settings)
    async with asyncio.timeout(_START_S):
        _, errors = await process.communicate()
    assert process.returncode != 0
    assert variable.encode() in errors
