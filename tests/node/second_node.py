"""Another voice node on the board's database: what one process of several would be."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from node.switchboard import Switchboard
from ports import free_port
from sautikitd.app import open_platform
from sautikitd.roles.voice import Parts, assemble
from sautikitd.settings import Settings, from_environment
from sautikitd.voice.sip.hops import Hop


@asynccontextmanager
async def second_node(
    board: Switchboard, folder: Path, **environment: str
) -> AsyncIterator[tuple[Parts, Hop]]:
    """Another node on the same database, and where it takes calls; `environment` are further settings."""
    settings = _settings_beside(board, folder, environment)
    async with (
        open_platform(settings, "second", clock=board.clock) as platform,
        assemble(platform) as parts,
    ):
        await parts.node.lease.begin(parts.agent.inside, 100)
        await parts.trunk_watch.refresh()
        running = [
            asyncio.ensure_future(work)
            for work in (parts.node.run(), parts.node.commander.run(), parts.rooms.run(), parts.reports.run())
        ]
        try:
            yield parts, Hop(host=settings.sip.host, port=settings.sip.port)
        finally:
            await parts.rooms.close()
            await parts.node.drain(3)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _settings_beside(board: Switchboard, folder: Path, more: Mapping[str, str]) -> Settings:
    folder.mkdir()
    shutil.copy(board.platform.settings.master_keys, folder / "master.keys")
    environment = {
        "SAUTIKIT_DATA_DIR": str(folder),
        "SAUTIKIT_SIP": f"127.0.0.1:{free_port()}",
        "SAUTIKIT_SIP_WS": f"127.0.0.1:{free_port()}",
        "DATABASE_URL": board.platform.database_url,
        **more,
    }
    return from_environment(environment, {"dev": "true"})
