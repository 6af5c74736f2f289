"""Internal links: a leg in a room of another media process, and nobody else on the line."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sautikitd.voice.links import LinkEnd
from sautikitd.voice.media.client import MediaClient
from voice.media.call import Calls
from voice.media.conftest import spawn
from voice.media.rtp_peer import level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def elsewhere() -> AsyncIterator[MediaClient]:
    media = await spawn()
    yield media
    await media.close()


async def test_two_on_two_media_processes_hear_each_other_and_a_stranger_is_not_heard(
    calls: Calls, elsewhere: MediaClient
) -> None:
    other_calls = Calls(elsewhere)
    here, there = await calls.call(), await other_calls.call()
    ends = [await LinkEnd.open(calls.media, "near"), await LinkEnd.open(elsewhere, "far")]
    await ends[0].connect(ends[1].local_address, ends[1].port)
    await ends[1].connect(ends[0].local_address, ends[0].port)
    for media, leg, end in ((calls.media, here, ends[0]), (elsewhere, there, ends[1])):
        await media.join("room", leg.leg_id)
        await end.join("room")
    await here.peer.say(sine(500, 0.6, 6000))
    assert level(there.peer.recent(0.2), 500) > 5000
    stranger = calls.peer("PCMA")
    stranger.to = (ends[0].local_address, ends[0].port)
    await stranger.say(sine(1300, 0.4, 6000))
    assert level(here.peer.recent(0.2), 1300) < 50
    for end in ends:
        await end.close()
    await other_calls.close()
