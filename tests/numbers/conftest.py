from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from factories import Platform, client
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.identity.workspaces import Workspace


@pytest.fixture
def clock() -> ManualClock:
    """The 23rd of a month of thirty days, noon in Nairobi: eight days are left."""
    return ManualClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))


@pytest.fixture
async def platform(database: Database, clock: ManualClock) -> Platform:
    return await Platform.on(database, clock)


@pytest.fixture
async def duka(platform: Platform) -> Workspace:
    return await platform.workspace()


@pytest.fixture
async def live(platform: Platform, duka: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    """The API with a live key, KES 500 in the wallet and three live numbers to claim."""
    await platform.inventory("+254205000001", "+254205000002", "+254205000003")
    await platform.top_up(duka.id, 50_000)
    made = await platform.key(duka.id, "live")
    async with client(platform.application(), made.key) as api:
        yield api


@pytest.fixture
async def trial(platform: Platform, duka: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    """The API with a key of test mode."""
    made = await platform.key(duka.id)
    async with client(platform.application(), made.key) as api:
        yield api
