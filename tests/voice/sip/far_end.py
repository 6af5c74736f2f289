"""SIPp as the independent far end, a user agent to test, and timers that ring fast."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ports import free_port
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.user_agent import UserAgent

SCENARIOS = Path(__file__).parent / "scenarios"
FAST = Timers(t1=0.05, t2=0.4, t4=0.25)
OUR_SDP = sdp.offer("127.0.0.1", 40_000, session_id=7).encode()


class Sipp:
    """One run of one scenario for one call, bounded in time."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        port: int,
        transport: Transport,
        log: Path,
        within_s: int,
    ) -> None:
        self._within_s = within_s
        self.hop = Hop(host="127.0.0.1", port=port, transport=transport)
        self._process = process
        self._log = log

    async def succeeded(self) -> None:
        """Waits for its end and fails with SIPp's own error log unless the whole scenario was seen."""
        async with asyncio.timeout(self._within_s + 2):
            output, _ = await self._process.communicate()
        if self._process.returncode != 0:
            errors = self._log.read_text() if self._log.exists() else "(no error log)"
            pytest.fail(f"sipp exit {self._process.returncode}\n{errors}\n{output.decode()[-2000:]}")

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()


class SippRunner:
    """`await run("uas_answer")` listens; with `to=port` it calls. `keys` fill `@name@` in the scenario. With `echo` it
    sends back all RTP that it gets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Sipp] = []

    async def __call__(
        self,
        scenario: str,
        transport: Transport = Transport.UDP,
        *,
        to: int | None = None,
        echo: bool = False,
        number: str = "+254709000001",
        within_s: int = 10,
        **keys: object,
    ) -> Sipp:
        port, log = free_port(), self._folder / f"{scenario}.log"
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for name, value in keys.items():
            text = text.replace(f"@{name}@", str(value))
        filled = self._folder / f"{scenario}-{port}.xml"
        filled.write_text(text)
        arguments = ["-sf", str(filled), "-i", "127.0.0.1", "-p", str(port), "-m", "1"]
        arguments += ["-t", "u1" if transport is Transport.UDP else "t1", "-mp", str(free_port())]
        arguments += [
            "-timeout",
            str(within_s),
            "-timeout_error",
            "-nostdin",
            "-trace_err",
            "-error_file",
            str(log),
        ]
        arguments += ["-rtp_echo"] if echo else []
        if to is not None:
            arguments += ["-auth_uri", f"{number}@127.0.0.1:{to}"]
            arguments += ["-s", number, f"127.0.0.1:{to}"]
        process = await asyncio.create_subprocess_exec(
            "sipp",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
        )
        sipp = Sipp(process, port, transport, log, within_s)
        self._running.append(sipp)
        if to is None:
            try:
                await listening(port, transport)
            except TimeoutError:
                await sipp.succeeded()
        return sipp

    async def stop(self) -> None:
        for sipp in self._running:
            await sipp.stop()


def _listed(table: Path, port: int) -> bool:
    return f":{port:04X} 00000000:0000" in table.read_text()


async def listening(port: int, transport: Transport) -> None:
    """Until the kernel lists a socket on the port."""
    table = Path("/proc/net/udp" if transport is Transport.UDP else "/proc/net/tcp")
    async with asyncio.timeout(5):
        while not _listed(table, port):
            await asyncio.sleep(0.005)


@asynccontextmanager
async def user_agent(
    *, host: str = "127.0.0.1", port: int = 0, **options: object
) -> AsyncIterator[UserAgent]:
    agent = UserAgent(**{"timers": FAST, **options})  # type: ignore[arg-type]
    await agent.start((host, port))
    try:
        yield agent
    finally:
        await agent.stop()
