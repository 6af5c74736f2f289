"""Webhook deliveries a second and event-to-arrival times, beside a bare client loop posting the same bodies.

    PYTHONPATH=src python bench/webhooks.py [--events 3000] [--rounds 3] [--endpoints 200] [--rate 300] [--seconds 5]

Four processes on loopback: PostgreSQL, a sink, a writer of events, and the dispatcher that is measured. The bare loop
and the dispatcher take turns. Processor time a delivery is the figure to trust where the machine has other work: of
the loop its process, of the dispatcher its process and PostgreSQL's.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).with_name("deliveries")))

from expense import Spent, sampling
from offered import BOX, CALL, Bench, pile_up, prepare, writer
from receiver import SLOW_S, sink

from sautikitd.clock import SystemClock
from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.database.migrate import migrate
from sautikitd.database.pool import Connection, Database
from sautikitd.database.wake import Listener
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.events.log import CHANNEL
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.queue import open_queue_database
from sautikitd.webhooks.secrets import DeliverySecrets, SubscriptionSecrets


class NoSigning:
    async def valid(self, connection: object, workspace_id: UUID, mode: str) -> list[str]:
        return []


@dataclass
class Turn:
    """One backlog worked off: deliveries a second, and processor microseconds a delivery."""

    rate: float
    own_us: float
    database_us: dict[str, float] = field(default_factory=dict)

    @property
    def total_us(self) -> float:
        return self.own_us + sum(self.database_us.values())


@contextlib.asynccontextmanager
async def dispatching(url: str) -> AsyncIterator[None]:
    database = await open_queue_database(url)
    async with EgressClient(EgressGuard(allow_private=True), per_host=0) as client:
        secrets = DeliverySecrets(database, SubscriptionSecrets(BOX), NoSigning())
        dispatcher = Dispatcher(database, client, secrets, SystemClock(), grace_s=1)
        listening = asyncio.create_task(Listener(url, {CHANNEL: dispatcher.wake}).run())
        running = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            dispatcher.stop()
            await running
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    await database.close()


async def backlog(bench: Bench, count: int, postmaster: int, where: Counter[str] | None = None) -> Turn:
    """Works off events that were there before; with `where`, counting what it does meanwhile."""
    await pile_up(bench, count)
    watching = await Database.connect(bench.url, maximum=1, keep_plans=True)
    async with watching.connection() as watcher:
        await recorded(watcher, looks=1)
        spent, began = Spent(postmaster), time.time()
        with contextlib.ExitStack() as stack:
            found = Counter[str]() if where is None else stack.enter_context(sampling())
            async with dispatching(bench.url):
                await recorded(watcher)
                own, database = spent.own(), spent.database()
    await watching.close()
    arrivals = await bench.arrived(count)
    if where is not None:
        where.update(found)
    shares = {kind: us / count for kind, us in database.items()}
    return Turn(len(arrivals) / (max(when for when, _ in arrivals) - began), own / count, shares)


async def recorded(watcher: Connection, looks: int = 1200) -> None:
    """Returns when every outcome is in the database, so that its cost is counted; looks ten times a second."""
    for _ in range(looks):
        if not await watcher.fetchval(
            "SELECT EXISTS (SELECT FROM webhook_deliveries WHERE status = 'delivering')"
            " OR EXISTS (SELECT FROM webhook_deliveries WHERE status = 'pending' AND ready)"
        ):
            break
        await asyncio.sleep(0.1)


async def bare(bench: Bench, count: int, postmaster: int) -> Turn:
    """A loop of 64 workers that posts the same bodies with aiohttp and does nothing else."""
    body = json.dumps({"data": CALL | {"at": 1.0}}, separators=(",", ":")).encode()
    numbers = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for number in numbers:
                async with session.post(
                    bench.target(number % bench.webhooks),
                    data=body,
                    headers={"Content-Type": "application/json"},
                ) as response:
                    await response.read()

        spent, began = Spent(postmaster), time.time()
        await asyncio.gather(*(worker() for _ in range(64)))
        own = spent.own()
    arrivals = await bench.arrived(count)
    return Turn(len(arrivals) / (max(when for when, _ in arrivals) - began), own / count)


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
    if len(arrivals) < count:
        print(f"  {count - len(arrivals)} of {count} had not arrived after a minute")
    return sorted((when - stamp) * 1000 for when, stamp in arrivals)


def quantile(times: list[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))]


async def throughput(bench: Bench, events: int, rounds: int, postmaster: int) -> None:
    await prepare(bench)
    loops, ours = [], []
    for _ in range(rounds):
        loops.append(await bare(bench, events, postmaster))
        ours.append(await backlog(bench, events, postmaster))
    loop_us, our_us = median(t.own_us for t in loops), median(t.total_us for t in ours)
    loop_rate, our_rate = median(t.rate for t in loops), median(t.rate for t in ours)
    print(f"bare aiohttp loop: {loop_rate:,.0f}/s, {loop_us:.0f} µs of processor a delivery")
    print(f"dispatcher: {our_rate:,.0f}/s, {our_us:.0f} µs with PostgreSQL's")
    print(
        f"  of the bare loop: {our_rate / loop_rate:.0%} by the clock, {loop_us / our_us:.0%} by processor time"
    )
    where: Counter[str] = Counter()
    await backlog(bench, events, postmaster, where)
    shown = sorted(ours, key=lambda turn: turn.total_us)[len(ours) // 2]
    print(f"where they go, µs a delivery (the process: {shown.own_us:.0f}, sampled):")
    for part, count in where.most_common():
        print(f"  {shown.own_us * count / where.total():6.1f}  {part}")
    for kind, us in sorted(shown.database_us.items(), key=lambda item: -item[1]):
        if us >= 0.5:
            print(f"  {us:6.1f}  PostgreSQL: {kind}")


async def latency(bench: Bench, options: argparse.Namespace) -> None:
    calm = await paced(bench, options.rate, options.seconds)
    print(
        f"event to arrival at {options.rate:g}/s: p50 {quantile(calm, 0.5):.0f} ms, p95 {quantile(calm, 0.95):.0f} ms"
    )
    tenth = bench.webhooks // 10
    for said, sick in (
        (f"{tenth} of {bench.webhooks} endpoints hanging", [(tenth, "hang")]),
        (f"{tenth} dead and {tenth} answering in {SLOW_S:g} s", [(tenth, "dead"), (tenth, "slow")]),
    ):
        await prepare(bench, *sick)
        times = await paced(bench, options.rate, options.seconds, sum(count for count, _ in sick))
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
        await asyncio.to_thread(migrate, server.url("sautikit_owner"))
        assert server.pid is not None
        bench = Bench(server.url("sautikit_app", "sautikit"), port, orders, options.endpoints)
        await throughput(bench, options.events, options.rounds, server.pid)
        if options.seconds:
            await latency(bench, options)
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--rate", type=float, default=300.0, help="events a second of the paced runs")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each paced run; 0 for none")
    multiprocessing.set_start_method("spawn")
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as the worker does; the loop profits as well
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
