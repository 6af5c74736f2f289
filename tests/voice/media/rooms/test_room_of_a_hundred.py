"""A hundred in one room: everybody hears who speaks, and the mixing of a tick takes a fraction of it."""

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.rooms.mixing import Rooms, Seat
from sautikitd.voice.media.rows import Rows
from voice.media.call import Calls
from voice.media.rtp_peer import level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")
_HUNDRED = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media() -> AsyncIterator[MediaClient]:
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=_HUNDRED + 1)
    yield media
    await media.close()


async def test_a_hundred_hear_the_two_who_speak(calls: Calls) -> None:
    legs = [await calls.call() for _ in range(_HUNDRED)]
    for leg in legs:
        await calls.media.join("all", leg.leg_id)
    one, two, *others = legs
    await asyncio.gather(one.peer.say(sine(500, 0.6, 6000)), two.peer.say(sine(900, 0.6, 6000)))
    for leg in others:
        heard = leg.peer.recent(0.3)[:1600]
        assert level(heard, 500) > 4000
        assert level(heard, 900) > 4000
    assert level(one.peer.recent(0.3)[:1600], 500) < 100


async def test_mixing_a_hundred_with_coaches_costs_less_than_a_tenth_of_a_tick() -> None:
    rows, rooms = Rows(_HUNDRED), Rooms()
    for number in range(_HUNDRED):
        row = rows.take()
        rows.heard[row] = np.arange(160) + number
        coached = frozenset({str(number - 1)}) if number % 10 == 9 else None
        rooms.join(row, Seat(str(number), "all", heard_by=coached))
    rooms.mix(rows)
    started = time.process_time()
    for _ in range(50):
        rooms.mix(rows)
    assert (time.process_time() - started) / 50 < 0.002
