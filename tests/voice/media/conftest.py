"""A media process, legs on it, and far ends for them."""

from collections.abc import AsyncIterator

import pytest

from sautikitd.voice.media.client import MediaClient
from voice.media.call import Calls


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    media = await MediaClient.spawn(
        bind_address="127.0.0.1", port_range=(0, 0), capacity=64, silent_after_s=1.0
    )
    calls = Calls(media)
    yield calls
    calls.close()
    await media.close()
