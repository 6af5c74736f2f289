from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.switchboard import Switchboard, switchboard


@pytest.fixture
async def board(database_url: str, tmp_path: Path) -> AsyncIterator[Switchboard]:
    """A node with a customer who has KES 100."""
    async with switchboard(database_url, tmp_path, funds=10_000) as made:
        yield made
