from collections.abc import AsyncIterator

import asyncpg
import pytest

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection, Database
from wallet.scenery import Money, add_workspace


@pytest.fixture
async def money(database: Database) -> Money:
    workspace_id = await add_workspace(database, "Duka")
    money = Money(database, workspace_id, ManualClock())
    async with database.transaction() as connection:
        await money.wallets.open_wallets(connection, workspace_id)
    return money


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[Connection]:
    """The database's owner: for looking, and tampering, behind the application's back."""
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()
