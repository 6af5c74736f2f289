"""A media process, legs on it, and far ends for them. One process serves the tests of a module."""

from collections.abc import AsyncIterator

import pytest_asyncio

from sautikitd.voice.media.client import MediaClient
from voice.media.call import Calls


async def spawn() -> MediaClient:
    return await MediaClient.spawn(
        bind_address="127.0.0.1", port_range=(0, 0), capacity=64, silent_after_s=1.0
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media() -> AsyncIterator[MediaClient]:
    media = await spawn()
    yield media
    await media.close()


@pytest_asyncio.fixture(loop_scope="module")
async def calls(media: MediaClient) -> AsyncIterator[Calls]:
    """Legs on the shared process, which holds nothing any more when they are closed."""
    calls = Calls(media)
    yield calls
    await calls.close()
    gauges = await media.gauges()
    assert (gauges.legs, gauges.plays, gauges.recordings, gauges.rooms, gauges.sockets) == (0, 0, 0, 0, 0)


@pytest_asyncio.fixture(loop_scope="module")
async def doomed() -> AsyncIterator[Calls]:
    """Legs on a process of the test's own, to be killed."""
    media = await spawn()
    calls = Calls(media)
    yield calls
    await calls.close()
    await media.close()
