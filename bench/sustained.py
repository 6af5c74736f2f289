"""Can the whole path carry so many set-ups a second, again and again? Its load is cheap on purpose.

    python bench/sustained.py [--rate 100] [--seconds 15]

Calls are posted at an even rate over a few kept connections, and SIPp, which costs a tenth of a user agent in Python,
answers them on a trunk. Each is spoken to for a second and hung up. Judged by what the database says of the middle of
the run: how many were answered a second, and how long each waited in the queue. On a busy machine only the
processor time a call is worth reading; SIPp and the posting are shown apart.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import processor_time  # type: ignore[import-not-found]  # beside this script, not a package
from ports import free_ports
from sautikitd.database.embedded import EmbeddedPostgres
from system.installation import Customer, Installation

NUMBER = "+254207000001"
WARM_UP_S = 4.0
"""Connections are opened and statements planned on the first calls."""

IDLE_S = 4.0
SETTLED_S = 4.0
CONNECTIONS = 8
SCENARIO = Path(__file__).parent / "answers_at_once.xml"


class Poster(asyncio.Protocol):
    """One connection to the API: requests go out when they are due, one behind the other."""

    def __init__(self) -> None:
        self._answered = asyncio.Event()
        self._buffer = b""
        self._status = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) >= length:
            self._status, self._buffer = head.partition(b"\r\n")[0], b""
            self._answered.set()

    async def post(self, key: str, body: bytes) -> None:
        self._answered.clear()
        head = (
            f"POST /v1/calls HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        await self._answered.wait()
        if b" 201" not in self._status:
            raise RuntimeError(self._status.decode())


async def offer(port: int, key: str, first: int, rate: float, seconds: float) -> int:
    """Posts calls at `rate`, numbered from `first`; how many."""
    loop, total = asyncio.get_running_loop(), int(rate * seconds)
    due: asyncio.Queue[bytes] = asyncio.Queue()

    async def send() -> None:
        _, poster = await loop.create_connection(Poster, "127.0.0.1", port)
        while body := await due.get():
            await poster.post(key, body)

    sending = [asyncio.create_task(send()) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for index in range(total):
        await asyncio.sleep(max(0.0, started + index / rate - time.perf_counter()))
        call = {
            "from": NUMBER,
            "to": f"+2547{first + index:08d}",
            "actions": [{"say": {"text": "Habari."}}],
        }
        due.put_nowait(json.dumps(call).encode())
    for _ in sending:
        due.put_nowait(b"")
    await asyncio.gather(*sending)
    return total


async def run(installation: Installation, folder: Path, rate: float, seconds: float) -> None:
    console = Console(width=100)
    await installation.start()
    port = free_ports(1)[0]
    await installation.command(
        "trunk", "add", "bench", "--host", "127.0.0.1", "--port", str(port), "--transport", "udp"
    )
    sipp = await asyncio.create_subprocess_exec(
        *("sipp", "-sf", str(SCENARIO), "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-mp", str(port + 2)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        customer = await _customer(installation, folder)
        http = int(installation.url.rpartition(":")[2])
        idle = await processor_time.read(installation), await _after(IDLE_S, installation)
        warm = await offer(http, customer.key, 10_000_000, rate / 2, WARM_UP_S)
        await asyncio.sleep(SETTLED_S)
        console.print(f"{rate:g} calls a second for {seconds:g} s …")
        before, spent = await processor_time.read(installation), processor_time.spent_ms(sipp.pid)
        calls = await offer(http, customer.key, 10_000_000 + warm, rate, seconds)
        await _all_ended(installation, warm + calls)
        after = await _after(SETTLED_S, installation)
        apart = (processor_time.spent_ms(sipp.pid) - spent) / calls
        console.print(await _carried(installation, calls, rate))
        console.print(processor_time.per_call(installation, idle, (before, after), calls))
        console.print(f"SIPp: {apart:.1f} ms a call")
    finally:
        sipp.terminate()
        await sipp.wait()


async def _customer(installation: Installation, folder: Path) -> Customer:
    listing = folder / "numbers.csv"
    listing.write_text(f"e164,type,locality,monthly_price_minor\n{NUMBER},local,Nairobi,10000\n")
    await installation.command("inventory", "import", str(listing))
    customer = await installation.customer("Bench", funds_minor=100_000_000)
    await installation.number(customer, NUMBER)
    limits = ("--calls-per-second", "1000", "--concurrent", "1000")
    await installation.command("workspace", "limit", customer.workspace_id, "--mode", "live", *limits)
    return customer


async def _after(seconds: float, installation: Installation) -> processor_time.Reading:
    await asyncio.sleep(seconds)
    return await processor_time.read(installation)


async def _connect(installation: Installation) -> asyncpg.Connection:
    return await asyncpg.connect(EmbeddedPostgres(installation.data / "postgres").url("postgres"))


async def _all_ended(installation: Installation, calls: int) -> None:
    connection = await _connect(installation)
    try:
        async with asyncio.timeout(180):
            while await connection.fetchval("SELECT count(*) FROM calls WHERE ended_at IS NOT NULL") < calls:
                await asyncio.sleep(0.5)
    finally:
        await connection.close()


async def _carried(installation: Installation, calls: int, rate: float) -> Table:
    """Of the last `calls`: those answered a second between the first and the last tenth, and the wait in the queue."""
    connection = await _connect(installation)
    try:
        rows = await connection.fetch(
            "SELECT answered_at, extract(epoch FROM started_at - created_at)::float8 AS queued, status"
            " FROM calls ORDER BY id DESC LIMIT $1",
            calls,
        )
    finally:
        await connection.close()
    answered = sorted(row["answered_at"].timestamp() for row in rows if row["answered_at"])
    low, high = int(len(answered) * 0.1), int(len(answered) * 0.9)
    carried = (high - low) / (answered[high] - answered[low])
    queued = sorted(row["queued"] * 1000 for row in rows)
    table = Table("offered, calls/s", "carried", "completed", "queued p50 ms", "p95 ms")
    done = sum(row["status"] == "completed" for row in rows)
    p95 = queued[int(calls * 0.95)]
    table.add_row(
        f"{rate:g}", f"{carried:.1f}", f"{done} of {calls}", f"{statistics.median(queued):.0f}", f"{p95:.0f}"
    )
    return table


async def measure(rate: float, seconds: float) -> None:
    folder = Path(tempfile.mkdtemp(prefix="skb-"))
    installation = Installation(folder / "data")
    try:
        await run(installation, folder, rate, seconds)
    finally:
        await installation.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.rate, arguments.seconds))


if __name__ == "__main__":
    main()
