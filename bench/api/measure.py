"""Reads and writes of the API, beside the smallest handler on the same server and database.

    PYTHONPATH=src python bench/api/measure.py [--seconds 8] [--connections 16]

One granian worker each: the API as it is served, and bare ASGI functions on asyncpg's own pool that run one
prepared query and send one row. Judged is processor time a request, of the worker and of PostgreSQL, all in
one run and by turns: a busy machine slows down the clock on the wall, and all of them alike. The bare one that
is judged against leaves out the pool's reset after each use (a round trip that we save as well); `stock` is asyncpg
as it comes. The last table says where the API's worker spends its time.
"""

import argparse
import asyncio
import multiprocessing
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from http_load import Load, keep_busy
from http_servers import key_of_a_new_workspace, serve_api, serve_bare

from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.database.migrate import migrate
from sautikitd.secretbox import make_key_file

_TURNS = 8
_THRESHOLD = b'{"threshold_minor": 10000}'
TARGET = 0.6

# Each load of the API, and the bare handlers' of the same kind of database work.
PAIRS = (
    ("read one row (balance)", Load("GET", "/v1/wallet/balance"), Load("GET", "/read")),
    (
        "write (threshold)",
        Load("PATCH", "/v1/wallet/threshold", _THRESHOLD),
        Load("PATCH", "/write", _THRESHOLD),
    ),
    (
        "write, idempotent (refill)",
        Load("POST", "/v1/test/wallet/refill", keyed=True),
        Load("PATCH", "/write", _THRESHOLD),
    ),
)


@dataclass
class Server:
    """A worker process and what it did over several turns of one load."""

    name: str
    port: int
    pid: int
    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    spent_seconds: float = 0.0
    database_seconds: float = 0.0

    def start_over(self) -> None:
        self.times, self.seconds, self.spent_seconds, self.database_seconds = [], 0.0, 0.0, 0.0

    async def turn(self, load: Load, key: str, connections: int, seconds: float, postgres: int) -> None:
        before = time.perf_counter(), spent(self.pid), spent_by_children(postgres)
        self.times += await keep_busy(self.port, load, key, connections, seconds)
        self.seconds += time.perf_counter() - before[0]
        self.spent_seconds += spent(self.pid) - before[1]
        self.database_seconds += spent_by_children(postgres) - before[2]

    @property
    def worker_us(self) -> float:
        return self.spent_seconds / len(self.times) * 1e6

    @property
    def database_us(self) -> float:
        return self.database_seconds / len(self.times) * 1e6

    def __str__(self) -> str:
        p99 = sorted(self.times)[int(len(self.times) * 0.99)] * 1000
        rate = len(self.times) / self.seconds
        return (
            f"  {self.name:<10}{self.worker_us:>8.0f}{self.database_us:>12.0f}"
            f"{self.worker_us + self.database_us:>8.0f}{rate:>10.0f}{p99:>9.1f}"
        )


def spent(pid: int) -> float:
    """Seconds on a processor so far, of all threads of a process (proc(5), `schedstat`; dead threads' are lost)."""
    total = 0.0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return total


def spent_by_children(pid: int) -> float:
    total = 0.0
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += spent(int(child))
        except OSError:  # it ended meanwhile
            continue
    return total


async def bench(folder: Path, options: argparse.Namespace) -> None:
    server = EmbeddedPostgres(folder / "pg")
    await server.start()
    try:
        await asyncio.to_thread(migrate, server.url("sautikit_owner"))
        await _bench(folder, server.url("sautikit_app"), options)
    finally:
        await server.stop()


async def _bench(folder: Path, url: str, options: argparse.Namespace) -> None:
    key = await key_of_a_new_workspace(folder, url)
    context = multiprocessing.get_context("fork")
    stop, sample, told = context.Event(), context.Value("i", -1), context.Queue()
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(3)]
    workers = [
        context.Process(target=serve_api, args=(url, folder, sockets[0], stop, sample, told)),
        context.Process(target=serve_bare, args=(url, sockets[1], stop, True)),
        context.Process(target=serve_bare, args=(url, sockets[2], stop, False)),
    ]
    for worker in workers:
        worker.start()
    named = zip(("API", "bare", "stock"), sockets, workers, strict=True)
    servers = [Server(name, opened.getsockname()[1], worker.pid or 0) for name, opened, worker in named]
    try:
        costs = await _compare(servers, key, options, postmaster_of(folder))
        for number, (_, load, _) in enumerate(PAIRS):
            sample.value = number
            await keep_busy(servers[0].port, load, key, options.connections, options.seconds / 4)
        sample.value = -1
    finally:
        stop.set()
        counted = await asyncio.to_thread(told.get, timeout=30)
        for worker in workers:
            worker.join()
    _say_where(counted, costs)


async def _compare(
    servers: list[Server], key: str, options: argparse.Namespace, postgres: int
) -> list[float]:
    costs = []
    for name, asked, bare in PAIRS:
        for server in servers:  # what happens once: connections, plans, caches
            server.start_over()
            load = asked if server is servers[0] else bare
            await keep_busy(server.port, load, key, options.connections, 0.5)
        for _ in range(_TURNS):
            for server in servers:
                load = asked if server is servers[0] else bare
                await server.turn(load, key, options.connections, options.seconds / _TURNS, postgres)
        print(f"{name}\n  {'CPU µs':<10}{'worker':>8}{'PostgreSQL':>12}{'both':>8}{'/s':>10}{'p99 ms':>9}")
        print("\n".join(map(str, servers)))
        api, smallest = servers[:2]
        worker = smallest.worker_us / api.worker_us
        both = (smallest.worker_us + smallest.database_us) / (api.worker_us + api.database_us)
        print(f"  of the bare handler: worker {worker:.0%}, with PostgreSQL {both:.0%} (target {TARGET:.0%})")
        costs.append(api.worker_us)
    return costs


def postmaster_of(folder: Path) -> int:
    """The host's id of the database server: it may live in a namespace of its own, where it has another."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"/postgres") and str(folder).encode() in b" ".join(words):
                return int(entry.name)
    raise RuntimeError("the database server is not to be found")


def _say_where(counted: dict[int, Counter[str]], costs: list[float]) -> None:
    """Microseconds a request of the API's worker, by part. granian's threads count where they meet the loop's."""
    print("\nwhere the API's worker spends them")
    print(f"  {'':<34}" + "".join(f"{name.partition(' (')[0]:>20}" for name, _, _ in PAIRS))
    met = sum((counted[number] for number in range(len(PAIRS))), Counter())
    for part, _ in met.most_common(14):
        shares = (counted[number][part] / counted[number].total() * cost for number, cost in enumerate(costs))
        print(f"  {part:<34}" + "".join(f"{share:>20.0f}" for share in shares))


def main(run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="skb-"))
    make_key_file(folder / "master.keys")
    try:
        run(bench(folder, options))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
