import pytest

from calls.scenery import Scene
from rooms.hall import Hall
from sautikitd.database.pool import Database


@pytest.fixture
async def hall(database: Database) -> Hall:
    """A workspace in test mode, a voice node, and its rooms and queues."""
    scene = await Scene.on(database)
    async with database.connection() as connection:
        await connection.execute("UPDATE call_queues SET calls_per_second = 1000, tokens = 1000")
    return Hall(scene)
