from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from calls.scenery import Scene
from factories import client
from node.switchboard import Switchboard, switchboard
from sautikitd.api import open_api
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from voice.nat import NatNetwork, NoNat


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A workspace in test mode with KES 1,000 less a number's rental, the number, and a registered voice node."""
    return await Scene.on(database)


@pytest.fixture
async def board(database_url: str, tmp_path: Path) -> AsyncIterator[Switchboard]:
    """A node with a customer who has KES 100."""
    async with switchboard(database_url, tmp_path, funds=10_000) as made:
        yield made


@pytest.fixture
async def api(board: Switchboard) -> AsyncIterator[httpx.AsyncClient]:
    """The API, with a key of the customer's that may do everything."""
    new = NewKey(workspace_id=board.workspace_id, mode="live", name="desk", scopes=frozenset("*"))
    async with board.platform.database.transaction() as connection:
        made = await board.platform.api_keys.create(connection, new, OPERATOR, board.platform.clock.now())
    async with open_api(board.platform) as app, client(app, made.key) as asking:
        yield asking


@pytest.fixture
def network() -> Iterator[NatNetwork]:
    try:
        made = NatNetwork()
    except NoNat as reason:
        pytest.skip(f"no NAT here (root on Linux with iproute2 and iptables): {reason}")
    yield made
    made.close()
