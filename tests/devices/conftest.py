from collections.abc import AsyncIterator

import httpx
import pytest

from factories import BOX, Platform, client
from sautikitd.database.pool import Database
from sautikitd.devices.addresses import DeviceAddresses
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.routes import DeviceRoutes

ADDRESSES = DeviceAddresses(
    domain="sip.sautikit.test",
    ws_url="wss://sip.sautikit.test/ws",
    stun_urls=("stun:turn.sautikit.test",),
    turn_urls=("turn:turn.sautikit.test?transport=udp",),
    turn_secret="north",
)


@pytest.fixture
async def platform(database: Database) -> Platform:
    return await Platform.on(database)


@pytest.fixture
async def api(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """The API as the test key of a workspace with the number +254200000001 sees it."""
    workspace = await platform.workspace()
    await platform.number(workspace.id)
    key = await platform.key(workspace.id)
    routes = DeviceRoutes(SipCredentials(BOX), ADDRESSES, platform.clock)
    async with client(platform.application(routes), key.key) as made:
        yield made


@pytest.fixture
async def number_id(api: httpx.AsyncClient) -> str:
    found: str = (await api.get("/v1/numbers")).json()["data"][0]["id"]
    return found
