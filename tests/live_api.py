"""The whole API on a socket of this machine, in a thread and loop of its own: for clients that block."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sautikitd.api import open_api
from sautikitd.app import Platform, open_platform
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.keys.service import MadeKey
from sautikitd.roles.api import InheritedSocketServer
from sautikitd.secretbox import make_key_file
from sautikitd.settings import from_environment


@dataclass(frozen=True)
class LiveApi:
    """`key`, whose id is `key_id`, is of test mode and may do everything."""

    url: str
    key: str
    key_id: str


@contextmanager
def live_api(folder: Path, database_url: str, settings: Mapping[str, str]) -> Iterator[LiveApi]:
    """Serves until the block ends. `folder` is the data folder; `settings` are `SAUTIKIT_*` variables."""
    server = _Server(folder, database_url, settings)
    serving = threading.Thread(target=lambda: asyncio.run(server.run()), name="live API")
    serving.start()
    try:
        yield server.wait()
    finally:
        server.end()
        serving.join()


class _Server:
    def __init__(self, folder: Path, database_url: str, settings: Mapping[str, str]) -> None:
        make_key_file(folder / "master.keys")
        self._settings = from_environment({"SAUTIKIT_DATA_DIR": str(folder), **settings})
        self._database_url = database_url
        self._up = threading.Event()
        self._api: LiveApi | None = None

    def wait(self) -> LiveApi:
        self._up.wait(30)
        assert self._api is not None, "the API did not start"
        return self._api

    def end(self) -> None:
        if self._api is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with (
                open_platform(self._settings, "live API", url=self._database_url) as platform,
                open_api(platform) as app,
            ):
                made = await _key(platform)
                with socket.create_server(("127.0.0.1", 0)) as opened:
                    server = InheritedSocketServer(app, opened)
                    serving = asyncio.create_task(server.serve())
                    self._api = LiveApi(
                        f"http://127.0.0.1:{opened.getsockname()[1]}", made.key, str(made.record.id)
                    )
                    self._up.set()
                    await self._stop.wait()
                    server.end()
                    await serving
        finally:
            self._up.set()


async def _key(platform: Platform) -> MadeKey:
    now = platform.clock.now()
    async with platform.database.transaction() as connection:
        workspace = await platform.workspaces.create(
            connection, "Duka", "wanjiru@example.co.ke", OPERATOR, now
        )
        new = NewKey(workspace_id=workspace.id, mode="test", name="live", scopes=frozenset("*"))
        return await platform.api_keys.create(connection, new, OPERATOR, now)
