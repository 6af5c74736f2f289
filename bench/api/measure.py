"""Reads and writes of the API a second, beside the smallest handler on the same server and database.

    PYTHONPATH=src python bench/api.py [--seconds 4] [--connections 32] [--profile] [--kept]

One granian worker each: the API as it is served, and a bare ASGI function that takes a connection of an
asyncpg pool and sends one row (or changes one, in a transaction). `--kept` gives the bare function our own pool,
which saves a round trip after each use. A client in a process of its own keeps
some connections busy. `--profile` prints where the API's worker spends its time.
"""

import argparse
import asyncio
import cProfile
import multiprocessing
import os
import pstats
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop

from sautikitd.api import open_api
from sautikitd.app import open_platform
from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.database.migrate import migrate
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.ids import uuid7
from sautikitd.roles.api import InheritedSocketServer
from sautikitd.secretbox import make_key_file
from sautikitd.settings import from_environment

_TURNS = 8
_THRESHOLD = b'{"threshold_minor": 10000}'


@dataclass(frozen=True)
class Load:
    """One kind of request, as bytes on the wire, and what the answer's status line must say."""

    name: str
    method: str
    path: str
    body: bytes = b""

    def wire(self, key: str) -> bytes:
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        if self.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return head.encode() + b"\r\n" + self.body


# Each load of the API, and the bare handler's of the same kind of database work.
PAIRS = (
    (Load("read one row (balance)", "GET", "/v1/wallet/balance"), Load("", "GET", "/read")),
    (
        Load("write (threshold)", "PATCH", "/v1/wallet/threshold", _THRESHOLD),
        Load("", "PATCH", "/write", _THRESHOLD),
    ),
)


async def bare(scope: Any, receive: Any, send: Any, *, database: Database) -> None:
    """One query by path, nothing else: no key, no checks, no limits, no log."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/read":
        async with database.connection() as connection:
            row = await connection.fetchrow("SELECT * FROM wallets LIMIT 1")
    else:
        body = msgspec.json.decode((await receive())["body"])
        async with database.transaction() as connection:
            row = await connection.fetchrow(
                "UPDATE wallets SET low_balance_threshold_minor = $1 WHERE mode = 'test' RETURNING *",
                body["threshold_minor"],
            )
    answer = msgspec.json.encode(dict(row))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def serve_bare(url: str, opened: socket.socket, stop: Any, kept: bool) -> None:
    async def run() -> None:
        if kept:
            database = await Database.connect(url, maximum=25)
        else:
            database = Database(await asyncpg.create_pool(url, min_size=1, max_size=25))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await bare(scope, receive, send, database=database)

        await _until(InheritedSocketServer(app, opened), stop)
        await database.close()

    uvloop.run(run())


def serve_api(url: str, folder: Path, opened: socket.socket, stop: Any, profile: bool) -> None:
    async def run() -> None:
        async with (
            open_platform(_settings(folder), "bench", url=url, connections=25) as platform,
            open_api(platform) as app,
        ):
            await _until(InheritedSocketServer(app, opened), stop)

    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    uvloop.run(run())
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


async def _until(server: InheritedSocketServer, stop: Any) -> None:
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(stop.wait)
    server.end()
    await serving


def _settings(folder: Path) -> Any:
    return from_environment({"SAUTIKIT_DATA_DIR": str(folder), "SAUTIKIT_RATE_LIMIT": "1000000/1000000"})


async def _key(folder: Path, url: str) -> str:
    async with open_platform(_settings(folder), "bench", url=url, connections=2) as platform:
        now = platform.clock.now()
        async with platform.database.transaction() as connection:
            workspace = await platform.workspaces.create(
                connection, "Bench", "bench@example.co.ke", OPERATOR, now
            )
            new = NewKey(
                workspace_id=workspace.id, mode="test", name=f"bench {uuid7()}", scopes=frozenset("*")
            )
            return (await platform.api_keys.create(connection, new, OPERATOR, now)).key


class Requests(asyncio.Protocol):
    """One connection that sends the next request when the answer is there."""

    def __init__(self, wire: bytes, until: float) -> None:
        self.wire, self.until = wire, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.times: list[float] = []
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self.wire)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(head.decode() + rest.decode()))
            return
        now = time.perf_counter()
        self.times.append(now - self._asked)
        self._buffer = b""
        if now < self.until:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)


async def measure(port: int, wire: bytes, connections: int, seconds: float) -> list[float]:
    """Keeps `connections` busy; the seconds that each request took."""
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: Requests(wire, started + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return [one for _, protocol in made for one in protocol.times]


class Tally:
    """What one worker did over several turns."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    async def add(self, port: int, pid: int, wire: bytes, connections: int, seconds: float) -> None:
        started, cpu = time.perf_counter(), _cpu_seconds(pid)
        self.times += await measure(port, wire, connections, seconds)
        self.seconds += time.perf_counter() - started
        self.cpu_seconds += _cpu_seconds(pid) - cpu

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    def __str__(self) -> str:
        p99 = sorted(self.times)[int(len(self.times) * 0.99)] * 1000
        return f"{self.rate:>7.0f}/s{p99:>8.1f}{self.cpu_seconds / len(self.times) * 1e6:>8.0f}"


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), `stat`)."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def bench(folder: Path, options: argparse.Namespace) -> None:
    server = EmbeddedPostgres(folder / "pg")
    await server.start()
    try:
        await asyncio.to_thread(migrate, server.url("sautikit_owner"))
        await _bench(folder, server.url("sautikit_app"), options)
    finally:
        await server.stop()


async def _bench(folder: Path, url: str, options: argparse.Namespace) -> None:
    key = await _key(folder, url)
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(2)]
    workers = [
        context.Process(target=serve_api, args=(url, folder, sockets[0], stop, options.profile)),
        context.Process(target=serve_bare, args=(url, sockets[1], stop, options.kept)),
    ]
    for worker in workers:
        worker.start()
    served = [(opened.getsockname()[1], worker.pid) for opened, worker in zip(sockets, workers, strict=True)]
    try:
        print(
            f"{'':<24}{'API':>9}{'p99 ms':>8}{'CPU µs':>8}{'bare':>9}{'p99 ms':>8}{'CPU µs':>8}{'ratio':>7}"
        )
        for pair in PAIRS:
            tallies = [Tally(), Tally()]
            for _ in range(_TURNS):  # in turns, so that what else the machine does falls on both
                for (port, pid), load, tally in zip(served, pair, tallies, strict=True):
                    await tally.add(
                        port, pid or 0, load.wire(key), options.connections, options.seconds / _TURNS
                    )
            api, smallest = tallies
            print(f"{pair[0].name:<24}{api}{smallest}{api.rate / smallest.rate:>7.0%}")
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def main(run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--kept", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="skb-"))
    make_key_file(folder / "master.keys")
    try:
        run(bench(folder, options))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
