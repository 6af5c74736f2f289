from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.scenery import Scene
from node.switchboard import Switchboard, switchboard
from sautikitd.database.pool import Database


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A workspace in test mode with KES 1,000 less a number's rental, the number, and a registered voice node."""
    return await Scene.on(database)


@pytest.fixture
async def board(database_url: str, tmp_path: Path) -> AsyncIterator[Switchboard]:
    """A node with a customer who has KES 100."""
    async with switchboard(database_url, tmp_path, funds=10_000) as made:
        yield made
