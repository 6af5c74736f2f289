from collections.abc import AsyncIterator

import pytest

from payments.office import Office, open_office
from sautikitd.database.pool import Database


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    async with open_office(database) as office:
        yield office
