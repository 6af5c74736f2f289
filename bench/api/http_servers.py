"""What `api.py` measures: the API as it is served, and the smallest handlers that do the same work in the database."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop
from samples import Samples

from sautikitd.api import open_api
from sautikitd.app import open_platform
from sautikitd.database.kept import KeptConnection
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.ids import uuid7
from sautikitd.roles.api import InheritedSocketServer
from sautikitd.roles.loaded import keep_what_is_loaded
from sautikitd.settings import Settings, from_environment

CONNECTIONS = 25
_READ = """
SELECT workspace_id, balance_minor, held_minor, balance_minor - held_minor AS available_minor, low_balance_threshold_minor
FROM wallets LIMIT 1
"""
_WRITE = """
UPDATE wallets SET low_balance_threshold_minor = $1 WHERE mode = 'test'
RETURNING workspace_id, balance_minor, held_minor, low_balance_threshold_minor
"""


async def bare(scope: Any, receive: Any, send: Any, *, pool: Any) -> None:
    """One prepared query by path, one row as JSON: no key, no checks, no limits, no log, no audit."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/read":
        async with pool.acquire() as connection:
            row = await connection.fetchrow(_READ)
    else:
        body = msgspec.json.decode((await receive())["body"])
        async with pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_WRITE, body["threshold_minor"])
    answer = msgspec.json.encode(dict(row))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def serve_bare(url: str, opened: socket.socket, stop: Any, kept: bool) -> None:
    """`kept`: the pool does not reset its connections, as ours does not; else asyncpg's pool as it comes."""

    async def run() -> None:
        kind = KeptConnection if kept else asyncpg.Connection
        pool = await asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS, connection_class=kind)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await bare(scope, receive, send, pool=pool)

        keep_what_is_loaded()
        await _until(InheritedSocketServer(app, opened), stop)
        await pool.close()

    uvloop.run(run())


def serve_api(url: str, folder: Path, opened: socket.socket, stop: Any, sample: Any, told: Any) -> None:
    """For the load that `sample` names it notes where the processor's time goes; `told` gets that at the end."""

    async def run() -> None:
        async with (
            open_platform(settings(folder), "bench", url=url, connections=CONNECTIONS) as platform,
            open_api(platform) as app,
        ):
            keep_what_is_loaded()
            samples = Samples(sample)
            sampling = asyncio.create_task(samples.run())
            await _until(InheritedSocketServer(app, opened), stop)
            sampling.cancel()
            told.put(samples.counted)

    uvloop.run(run())


async def _until(server: InheritedSocketServer, stop: Any) -> None:
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(stop.wait)
    server.end()
    await serving


def settings(folder: Path) -> Settings:
    return from_environment({"SAUTIKIT_DATA_DIR": str(folder), "SAUTIKIT_RATE_LIMIT": "1000000/1000000"})


async def key_of_a_new_workspace(folder: Path, url: str) -> str:
    async with open_platform(settings(folder), "bench", url=url, connections=2) as platform:
        now = platform.clock.now()
        async with platform.database.transaction() as connection:
            workspace = await platform.workspaces.create(
                connection, "Bench", "bench@example.co.ke", OPERATOR, now
            )
            new = NewKey(
                workspace_id=workspace.id, mode="test", name=f"bench {uuid7()}", scopes=frozenset("*")
            )
            return (await platform.api_keys.create(connection, new, OPERATOR, now)).key
