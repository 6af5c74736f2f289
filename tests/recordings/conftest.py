"""The recording room of a test, and its addresses: without a socket (`client`) and behind the real server (`wire`)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from recordings.office import SIGNING_KEY, Keys, Office
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.events.log import EventLog
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import Application, build
from sautikitd.identity.principal import Scope
from sautikitd.ids import uuid7
from sautikitd.recordings.links import Links
from sautikitd.recordings.mp3 import Mp3Maker
from sautikitd.recordings.retention import Retention
from sautikitd.recordings.routes import RecordingRoutes
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.spool import Spool
from sautikitd.recordings.store import open_store
from sautikitd.secretbox import SecretBox


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    clock = ManualClock()
    store_folder = tmp_path / "store"
    store = open_store(store_folder.as_uri())
    links = Links(store, signing_key=SIGNING_KEY, public_url="http://api.test")
    waker = Waker(database)
    service = RecordingService(
        database=database, store=store, links=links, events=EventLog(), clock=clock, waker=waker
    )
    office = Office(
        database=database,
        clock=clock,
        store=store,
        store_folder=store_folder,
        spool=Spool.open(tmp_path / "spool"),
        links=links,
        waker=waker,
        service=service,
        retention=Retention(database=database, store=store, service=service, clock=clock),
        workspace_id=uuid7(),
        number_id=uuid7(),
        call_id=uuid7(),
        node_id=uuid7(),
    )
    await office.execute(
        "INSERT INTO voice_nodes (id, host, port, capacity, started_at, lease_until, renewed_at) "
        "VALUES ($1, 'here', 5060, 10, $2, $3, $2)",
        *(office.node_id, clock.now(), clock.now() + timedelta(days=400)),
    )
    office.workspace_id, office.number_id = await office.add_workspace()
    office.call_id = await office.add_call(office.workspace_id, office.number_id)
    yield office
    await waker.close()


@pytest.fixture
def keys(office: Office) -> Keys:
    keys = Keys({})
    keys.add("all", office.workspace_id, Scope.ALL)
    return keys


@pytest.fixture
async def mp3(office: Office, tmp_path: Path) -> AsyncIterator[Mp3Maker]:
    maker = Mp3Maker(
        database=office.database, store=office.store, clock=office.clock, scratch=tmp_path / "scratch"
    )
    yield maker
    await maker.close()


@pytest.fixture
def api(office: Office, keys: Keys, mp3: Mp3Maker) -> Application:
    kernel = Kernel(
        database=office.database,
        authenticator=keys,
        idempotency=Idempotency(SecretBox([bytes(32)])),
        limiter=RateLimiter(office.clock, per_second=1000, burst=1000),
        clock=office.clock,
        docs_base="http://docs.test",
    )
    routes = RecordingRoutes(
        database=office.database,
        service=office.service,
        retention=office.retention,
        store=office.store,
        links=office.links,
        mp3=mp3,
    )

    async def ready() -> dict[str, str]:
        return {}

    return build(kernel, list(endpoints_of(routes)), public_url="http://api.test", ready=ready)


@pytest.fixture
async def client(api: Application) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application without a socket, with the key `all`."""
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api.test", headers={"Authorization": "Bearer all"}
    ) as client:
        yield client


@pytest.fixture
async def wire(api: Application) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application behind the real server, over a real socket, without a key."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = Server(api, port=port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    try:
        await _accepting(port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian does not say that it returns nothing
        await serving


async def _accepting(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return
