from collections.abc import AsyncIterator

import pytest

from voice.sip.raw_peer import RawPeer, raw_peer


@pytest.fixture
async def broken() -> AsyncIterator[RawPeer]:
    """A carrier made of one socket, which says what the test tells it to."""
    async with raw_peer() as peer:
        yield peer
