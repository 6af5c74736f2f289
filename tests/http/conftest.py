from collections.abc import AsyncIterator

import httpx
import pytest

from factories import Platform, client
from http_probe import ProbeRoutes
from sautikitd.database.pool import Database
from sautikitd.identity.workspaces import Workspace


@pytest.fixture
async def platform(database: Database) -> Platform:
    return await Platform.on(database)


@pytest.fixture
async def duka(platform: Platform) -> Workspace:
    return await platform.workspace()


@pytest.fixture
def probe() -> ProbeRoutes:
    return ProbeRoutes()


@pytest.fixture
async def api(platform: Platform, duka: Workspace, probe: ProbeRoutes) -> AsyncIterator[httpx.AsyncClient]:
    made = await platform.key(duka.id)
    async with client(platform.application(probe), made.key) as api:
        yield api
