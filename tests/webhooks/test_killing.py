"""Dispatchers and the database are killed in the middle of deliveries to receivers with every fault there is."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web

from egress.certificates import self_signed
from sautikitd.clock import ManualClock
from sautikitd.database.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from sautikitd.database.migrate import migrate
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.egress.signatures import verify
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint, Event
from sautikitd.ids import uuid7
from webhooks.sink import Sink, answering, endless, in_turn, resetting
from webhooks.workspace import SIGNING_SECRET, Workspace

CALLS = 6
KINDS = ("call.started", "call.ringing", "call.answered", "call.completed")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_every_event_arrives_in_order_and_signed_whatever_is_killed(sink: Sink, tmp_path: Path) -> None:
    urls = faulty(sink)
    with tempfile.TemporaryDirectory(prefix="sk-kill-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")  # durable, as it is outside tests
        await server.start()
        url = server.url("sautikit_app", "sautikit")
        await asyncio.to_thread(migrate, server.url("sautikit_owner"))
        database = await Database.connect(url)
        workspace = Workspace(database, ManualClock())
        await workspace.create()
        running = [await dispatcher(url), await dispatcher(url)]
        try:
            async with bad_tls(tmp_path) as distrusted:
                writing = asyncio.create_task(write(workspace, [*urls, distrusted]))
                await sink.wait_for(15, within_s=120)
                running[0].kill()
                running[0] = await dispatcher(url)
                await sink.wait_for(40, within_s=120)
                await kill_postmaster(server, Path(folder))
                events = await writing
                running[1].kill()
                await delivered(workspace, urls)
                errors = await errors_of(workspace, distrusted)
        finally:
            for process in running:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            await database.close()
            await server.stop()

    for url in urls:
        arrived = [arrival.event_id for arrival in sink.at("/" + url.rpartition("/")[2])]
        assert by_call(arrived, events) == by_call([str(event.id) for event in events], events)
    for arrival in sink.received:
        verify(arrival.body, arrival.headers["x-sautikit-signature"], [SIGNING_SECRET], now=int(time.time()))
    assert errors
    assert all(error.startswith("tls: ") for error in errors)


def faulty(sink: Sink) -> list[str]:
    """Receivers that do take everything in the end, each in its own bad way."""

    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    moved = answering(302, {"Location": "http://127.0.0.1:1/"})
    return [
        sink.url("/good"),
        sink.behave("/slow", slow),
        sink.behave("/resetting", in_turn(*[resetting] * 5, answering(200))),
        sink.behave("/broken", in_turn(*[answering(500)] * 5, answering(200))),
        sink.behave("/moved", in_turn(*[moved] * 5, answering(204))),
        sink.behave("/endless", endless),
    ]


@asynccontextmanager
async def bad_tls(folder: Path) -> AsyncIterator[str]:
    """A server whose certificate nobody trusts; a request that reaches it fails the test."""

    async def reached(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("a server with a bad certificate was spoken to")

    context = self_signed("shop.test", folder)[0]
    server = await asyncio.start_server(reached, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def dispatcher(url: str) -> asyncio.subprocess.Process:
    paths = os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, sys.path)])
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webhooks.dispatcher_process", url), env={**os.environ, "PYTHONPATH": paths}
    )


async def kill_postmaster(server: EmbeddedPostgres, folder: Path) -> None:
    """SIGKILL, and a new start once its orphans have gone."""
    postmaster = int((folder / "pg" / "cluster" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    await server.wait()
    for _ in range(50):
        try:
            await server.start()
        except EmbeddedPostgresFailed:
            await asyncio.sleep(0.2)
        else:
            return
    raise AssertionError("the database did not come back")


async def write(workspace: Workspace, urls: list[str]) -> list[Event]:
    """The events of some calls, one transaction each, tried until they are there."""
    written = []
    for call_id in [uuid7() for _ in range(CALLS)]:
        for number, kind in enumerate(KINDS, start=1):
            event = workspace.event(kind, call_id=call_id, sequence=number)
            await insist(workspace.database, event, urls)
            written.append(event)
    return written


async def insist(database: Database, event: Event, urls: list[str]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with database.transaction() as connection:
                    await EventLog().record(connection, event, [Endpoint(url=url) for url in urls])
            except asyncpg.UniqueViolationError:
                return  # the commit had gone through, its answer was lost
            except DatabaseUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


async def delivered(workspace: Workspace, urls: list[str]) -> None:
    """Returns when all is delivered. Retries need not wait for their time; leases of the killed run out as always."""
    async with asyncio.timeout(300):
        while True:
            try:
                async with workspace.database.connection() as connection:
                    await connection.execute(
                        "UPDATE webhook_deliveries SET due_at = now() WHERE status = 'pending' AND NOT ready"
                        " AND due_at > now() AND url = ANY ($1)",
                        urls,
                    )
                    left = await connection.fetchval(
                        "SELECT count(*) FROM webhook_deliveries WHERE status <> 'succeeded' AND url = ANY ($1)",
                        urls,
                    )
            except DatabaseUnavailable:
                left = None
            if left == 0:
                return
            await asyncio.sleep(0.1)


async def errors_of(workspace: Workspace, url: str) -> list[str]:
    async with workspace.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT error FROM webhook_deliveries WHERE url = $1 AND attempts > 0", url
        )
    return [row["error"] for row in rows]


def by_call(event_ids: Iterable[str], events: list[Event]) -> dict[UUID | None, list[str]]:
    """The ids of each call's events, in the order given, each where it first comes."""
    call_of = {str(event.id): event.call_id for event in events}
    order: dict[UUID | None, list[str]] = {}
    for event_id in dict.fromkeys(event_ids):
        order.setdefault(call_of[event_id], []).append(event_id)
    return order
