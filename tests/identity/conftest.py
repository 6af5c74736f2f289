import pytest

from factories import Platform
from sautikitd.database.pool import Database
from sautikitd.identity.workspaces import Workspace


@pytest.fixture
async def platform(database: Database) -> Platform:
    return await Platform.on(database)


@pytest.fixture
async def duka(platform: Platform) -> Workspace:
    return await platform.workspace()
