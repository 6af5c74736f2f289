"""Webhook deliveries a second and event-to-arrival times, beside a bare client loop posting the same bodies.

    PYTHONPATH=src python bench/webhooks.py [--events 3000] [--endpoints 200] [--rate 300] [--seconds 5]

Four processes on loopback: PostgreSQL, a sink, a writer of events, and the dispatcher that is measured.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, cast
from uuid import UUID

import aiohttp
import httpx
import uvloop

from sautikitd.clock import SystemClock
from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.database.migrate import migrate
from sautikitd.database.pool import Database
from sautikitd.database.wake import Listener, Waker
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.events.log import CHANNEL, EventLog
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.secrets import DeliverySecrets, SubscriptionSecrets

SLOW_S = 9.9
DEAD_PORT = 1025  # nobody listens there
WORKSPACE = UUID(int=0x0199_0000_0000_7000_8000_000000000001)
BOX = SecretBox([b"b" * 32])
CALL = {
    "call_id": str(WORKSPACE),
    "session_id": "HD_0123456789ab",
    "direction": "outbound",
    "from": "+254205000000",
    "to": "+254712345678",
    "status": "completed",
    "call": {f"field_{n}": f"value {n}" for n in range(40)},
}


class SinkProtocol(asyncio.Protocol):
    """The cheapest receiver there is: answers 200 to every request and notes when it came."""

    arrivals: ClassVar[list[tuple[float, float]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            if head.startswith(b"POST /slow"):
                asyncio.get_running_loop().call_later(SLOW_S, self._answer)
            elif not head.startswith(b"POST /hang"):
                stamp = body.partition(b'"at":')[2].partition(b"}")[0].partition(b",")[0]
                self.arrivals.append((time.time(), float(stamp)))
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def sink(ports: Any, orders: Any) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(SinkProtocol, "127.0.0.1", 0, backlog=2048)
        ports.send(server.sockets[0].getsockname()[1])
        while True:
            order = await asyncio.to_thread(orders.recv)
            if order == "stop":
                return
            for _ in range(12_000):  # a minute
                if len(SinkProtocol.arrivals) >= order:
                    break
                await asyncio.sleep(0.005)
            orders.send(list(SinkProtocol.arrivals))
            SinkProtocol.arrivals.clear()

    uvloop.run(run())


@dataclass
class Bench:
    url: str
    port: int
    orders: Any
    webhooks: int

    def target(self, number: int, path: str = "hook") -> str:
        port = DEAD_PORT if path == "dead" else self.port
        return f"http://127.0.0.1:{port}/{path}/{number}"

    async def arrived(self, count: int) -> list[tuple[float, float]]:
        """Waits for `count` arrivals; (when, event's stamp) of each."""
        self.orders.send(count)
        return await asyncio.to_thread(self.orders.recv)


class NoSigning:
    async def valid(self, connection: object, workspace_id: UUID, mode: str) -> list[str]:
        return []


async def prepare(bench: Bench, *sick: tuple[int, str]) -> None:
    """One workspace; each endpoint listens to a number of its own, so that an event is one delivery.

    `sick`: how many of the first ones `hang`, are `slow` or `dead`, in this order; the others are healthy.
    """
    paths = [path for count, path in sick for _ in range(count)]
    database = await Database.connect(bench.url)
    secrets = SubscriptionSecrets(BOX)
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, 'Bench', 'bench', '1') "
            "ON CONFLICT DO NOTHING",
            WORKSPACE,
        )
        for number in range(bench.webhooks):
            webhook_id, path = uuid7(), paths[number] if number < len(paths) else "hook"
            await connection.execute(
                "INSERT INTO webhooks (id, workspace_id, mode, url, events, number_ids, created_at, updated_at) "
                "VALUES ($1, $2, 'test', $3, '{*}', ARRAY[$4::uuid], $5, $5)",
                *(webhook_id, WORKSPACE, bench.target(number, path), UUID(int=number + 1), now),
            )
            await secrets.create(connection, webhook_id, now)
    await database.close()


def event(number: int) -> Event:
    return Event(
        id=uuid7(),
        workspace_id=WORKSPACE,
        mode="test",
        kind="call.completed",
        data=CALL | {"at": time.time()},
        occurred_at=datetime.now(UTC),
        call_id=uuid7(),
        number_id=UUID(int=number + 1),
        sequence=1,
    )


async def write(url: str, first: int, last: int, count: int, rate: float) -> None:
    """Writes events for endpoints `first` to `last` in turn, each in a transaction of its own, at `rate` a second."""
    database = await Database.connect(url, maximum=4)
    waker, log = Waker(database), EventLog()
    began = time.monotonic()
    for made in range(count):
        await asyncio.sleep(max(0.0, began + made / rate - time.monotonic()))
        async with database.transaction() as connection:
            await log.record(connection, event(first + made % (last - first)))
        await waker.wake(CHANNEL)
    await waker.close()
    await database.close()


def writer(url: str, first: int, last: int, count: int, rate: float) -> None:
    uvloop.run(write(url, first, last, count, rate))


@contextlib.asynccontextmanager
async def dispatching(url: str) -> AsyncIterator[None]:
    database = await Database.connect(url, maximum=8)
    async with EgressClient(EgressGuard(allow_private=True), per_host=0) as client:
        secrets = DeliverySecrets(database, SubscriptionSecrets(BOX), NoSigning())
        dispatcher = Dispatcher(database, client, secrets, SystemClock(), grace_s=1)
        listening = asyncio.create_task(Listener(url, [CHANNEL], dispatcher.wake).run())
        running = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            dispatcher.stop()
            await running
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    await database.close()


async def backlog(bench: Bench, count: int) -> float:
    """Deliveries a second of events that were there before."""
    database = await Database.connect(bench.url)
    async with database.transaction() as connection:
        for start in range(0, count, 500):
            batch = [(event((start + n) % bench.webhooks), ()) for n in range(min(500, count - start))]
            await EventLog().record_many(connection, batch)
    await database.close()
    began = time.time()
    async with dispatching(bench.url):
        arrivals = await bench.arrived(count)
    return len(arrivals) / (max(when for when, _ in arrivals) - began)


async def paced(bench: Bench, rate: float, seconds: float, sick: int = 0) -> list[float]:
    """Milliseconds from event to arrival at healthy endpoints, with `rate` events a second over all of them."""
    load = int(rate * seconds * sick / bench.webhooks)
    count = int(rate * seconds) - load
    workers = [
        multiprocessing.Process(
            target=writer, args=(bench.url, sick, bench.webhooks, count, count / seconds)
        ),
    ]
    if sick:
        workers.append(
            multiprocessing.Process(target=writer, args=(bench.url, 0, sick, load, load / seconds))
        )
    async with dispatching(bench.url):
        for worker in workers:
            worker.start()
        arrivals = await bench.arrived(count)
        for worker in workers:
            await asyncio.to_thread(worker.join)
    return sorted((when - stamp) * 1000 for when, stamp in arrivals)


async def bare(bench: Bench, count: int, post: Callable[[str, bytes], Coroutine[Any, Any, None]]) -> float:
    """Posts a second of a loop with 64 workers that does nothing else."""
    body = json.dumps({"data": CALL | {"at": 1.0}}, separators=(",", ":")).encode()
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await post(bench.target(number % bench.webhooks), body)

    began = time.time()
    await asyncio.gather(*(worker() for _ in range(64)))
    arrivals = await bench.arrived(count)
    return len(arrivals) / (max(when for when, _ in arrivals) - began)


async def bare_aiohttp(bench: Bench, count: int) -> float:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(url: str, body: bytes) -> None:
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                await response.read()

        return await bare(bench, count, post)


async def bare_httpx(bench: Bench, count: int) -> float:
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:

        async def post(url: str, body: bytes) -> None:
            await client.post(url, content=body, headers={"Content-Type": "application/json"})

        return await bare(bench, count, post)


def quantile(times: list[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))]


async def measure(
    options: argparse.Namespace, bench: Bench, afresh: Callable[[], Coroutine[Any, Any, Bench]]
) -> None:
    await prepare(bench)
    loop = await bare_aiohttp(bench, options.events)
    other = await bare_httpx(bench, options.events // 4)
    ours = await backlog(bench, options.events)
    print(f"bare loop: aiohttp {loop:,.0f}/s, httpx {other:,.0f}/s")
    print(f"dispatcher: {ours:,.0f} deliveries/s, {ours / loop:.0%} of the bare aiohttp loop")
    calm = await paced(bench, options.rate, options.seconds)
    print(
        f"event to arrival at {options.rate:g}/s: p50 {quantile(calm, 0.5):.0f} ms, p95 {quantile(calm, 0.95):.0f} ms"
    )
    tenth = bench.webhooks // 10
    for said, sick in (
        (f"{tenth} of {bench.webhooks} endpoints hanging", [(tenth, "hang")]),
        (f"{tenth} dead and {tenth} answering in {SLOW_S:g} s", [(tenth, "dead"), (tenth, "slow")]),
    ):
        again = await afresh()
        await prepare(again, *sick)
        times = await paced(again, options.rate, options.seconds, sum(count for count, _ in sick))
        print(
            f"the same with {said}: healthy p50 {quantile(times, 0.5):.0f} ms, "
            f"p95 {quantile(times, 0.95):.0f} ms, p99 {quantile(times, 0.99):.0f} ms"
        )


async def run(options: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="sk-bench-"))
    server = EmbeddedPostgres(folder / "pg")
    ports, theirs = multiprocessing.Pipe()
    orders, their_orders = multiprocessing.Pipe()
    receiver = multiprocessing.Process(target=sink, args=(theirs, their_orders), daemon=True)
    receiver.start()
    port = ports.recv()
    try:
        await server.start()
        url = server.url("sautikit_app", "sautikit")
        await asyncio.to_thread(migrate, server.url("sautikit_owner"))

        async def afresh() -> Bench:
            database = await Database.connect(url)
            async with database.connection() as connection:
                await connection.execute("UPDATE webhooks SET deleted_at = now()")
            await database.close()
            return Bench(url, port, orders, options.endpoints)

        await measure(options, Bench(url, port, orders, options.endpoints), afresh)
    finally:
        orders.send("stop")
        receiver.join(5)
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--rate", type=float, default=300.0, help="events a second of the paced runs")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each paced run")
    multiprocessing.set_start_method("spawn")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
