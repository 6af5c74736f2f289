"""What the dispatcher is given: endpoints, each listening to a number of its own, and events for them."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uvloop

from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.events.log import CHANNEL, EventLog
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.webhooks.secrets import SubscriptionSecrets

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


async def prepare(bench: Bench, *sick: tuple[int, str]) -> None:
    """One workspace whose endpoints are all new; an event is one delivery.

    `sick`: how many of the first ones `hang`, are `slow` or `dead`, in this order; the others are healthy.
    """
    paths = [path for count, path in sick for _ in range(count)]
    database = await Database.connect(bench.url)
    secrets = SubscriptionSecrets(BOX)
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        await connection.execute("UPDATE webhooks SET deleted_at = now()")
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


async def pile_up(bench: Bench, count: int) -> None:
    """Writes events that nobody delivers yet."""
    database = await Database.connect(bench.url)
    async with database.transaction() as connection:
        for start in range(0, count, 500):
            batch = [(event((start + n) % bench.webhooks), ()) for n in range(min(500, count - start))]
            await EventLog().record_many(connection, batch)
    await database.close()


async def _write(url: str, first: int, last: int, count: int, rate: float) -> None:
    database = await Database.connect(url, maximum=4, keep_plans=True)
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
    """Writes events for endpoints `first` to `last` in turn, each in a transaction of its own, at `rate` a second."""
    uvloop.run(_write(url, first, last, count, rate))
