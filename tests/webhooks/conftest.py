import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import build
from sautikitd.webhooks.dispatcher import Dispatcher
from sautikitd.webhooks.lanes import LaneLimits
from sautikitd.webhooks.routes import EventRoutes, WebhookRoutes
from sautikitd.webhooks.secrets import DeliverySecrets
from sautikitd.webhooks.service import Webhooks
from sautikitd.webhooks.wakeups import WakeUps
from webhooks.api import Keys
from webhooks.dispatching import Dispatch, Running, Until
from webhooks.sink import Sink
from webhooks.workspace import FixedSigningSecrets, Workspace


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def workspace(database: Database, clock: ManualClock) -> Workspace:
    workspace = Workspace(database, clock)
    await workspace.create()
    return workspace


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
async def dispatch(workspace: Workspace) -> AsyncIterator[Dispatch]:
    """Starts dispatchers that poll fast; all of them are stopped when the test ends."""
    async with AsyncExitStack() as stack:

        async def start(
            limits: LaneLimits | None = None,
            *,
            grace_s: float = 0.2,
            poll_s: float = 0.02,
            allow_private: bool = True,
        ) -> Running:
            guard = EgressGuard(allow_private=allow_private)
            return await stack.enter_async_context(_running(workspace, guard, limits, grace_s, poll_s))

        yield start


@asynccontextmanager
async def _running(
    workspace: Workspace, guard: EgressGuard, limits: LaneLimits | None, grace_s: float, poll_s: float
) -> AsyncIterator[Running]:
    secrets = DeliverySecrets(workspace.database, workspace.secrets, FixedSigningSecrets())
    async with EgressClient(guard, per_host=0) as client:
        running = Running(
            Dispatcher(
                workspace.database,
                client,
                secrets,
                workspace.clock,
                limits=limits,
                randomness=random.Random(7),
                wakeups=WakeUps(shortest=poll_s, longest=poll_s * 2),
                grace_s=grace_s,
            )
        )
        try:
            yield running
        finally:
            if not running.task.done():
                await running.stopped()


@pytest.fixture
def until() -> Until:
    """Waits for a condition of the database, looking again and again; fails after ten seconds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while True:
                if await condition():
                    return
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
async def other(database: Database, clock: ManualClock) -> Workspace:
    other = Workspace(database, clock)
    await other.create()
    return other


@pytest.fixture
async def api(workspace: Workspace, other: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    waker = Waker(workspace.database)
    webhooks = Webhooks(workspace.secrets)
    routes = [*endpoints_of(WebhookRoutes(webhooks, waker)), *endpoints_of(EventRoutes())]
    kernel = Kernel(
        database=workspace.database,
        authenticator=Keys(workspace, other),
        idempotency=Idempotency(workspace.box),
        limiter=RateLimiter(workspace.clock, per_second=1000, burst=1000),
        clock=workspace.clock,
        docs_base="https://docs.test",
        allow_private_urls=True,
    )

    async def ready() -> dict[str, str]:
        return {}

    app = build(kernel, routes, public_url="https://api.test", ready=ready)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=cast("Any", app)),
        base_url="https://api.test",
        headers={"Authorization": "Bearer key"},
    ) as client:
        yield client
    await waker.close()
