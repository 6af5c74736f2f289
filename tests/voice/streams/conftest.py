"""A media process and a stream process, shared by a module's tests, and legs between them."""

from collections.abc import AsyncIterator

import pytest_asyncio

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.streams.client import StreamClient
from voice.media.call import Calls
from voice.streams.talk import Talks


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def streaming() -> AsyncIterator[tuple[MediaClient, StreamClient]]:
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=16)
    streams = StreamClient(allow_private=True)
    yield media, streams
    await streams.close()
    await media.close()


@pytest_asyncio.fixture(loop_scope="module")
async def talks(streaming: tuple[MediaClient, StreamClient]) -> AsyncIterator[Talks]:
    """Calls with streams, which leave nothing behind."""
    media, streams = streaming
    made = Talks(Calls(media), streams)
    yield made
    await made.close()
    gauges = await media.gauges()
    assert (gauges.legs, gauges.forks, streams.streams) == (0, 0, 0)
