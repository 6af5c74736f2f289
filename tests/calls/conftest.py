import pytest

from calls.scenery import Scene
from sautikitd.database.pool import Database


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A workspace in test mode with KES 1,000 less a number's rental, the number, and a voice node."""
    return await Scene.on(database)
