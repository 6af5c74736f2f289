"""In a room everybody hears the others, and nobody himself."""

import asyncio

import pytest

from sautikitd.voice.media.protocol import Tone
from voice.media.call import Calls
from voice.media.rtp_peer import level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_three_in_a_room_hear_the_two_others(calls: Calls) -> None:
    legs = [await calls.call(codec=codec) for codec in ("PCMU", "PCMA", "PCMU")]
    tones = (500, 900, 1300)
    for leg in legs:
        await calls.media.join("room", leg.leg_id)
    await asyncio.gather(
        *(leg.peer.say(sine(tone, 0.6, 6000)) for leg, tone in zip(legs, tones, strict=True))
    )
    for leg, own in zip(legs, tones, strict=True):
        heard = leg.peer.recent(0.4)[:2400]
        for tone in tones:
            assert (level(heard, tone) > 5500) == (tone != own)
            assert level(heard, tone) < (100 if tone == own else 6500)
    assert (await calls.media.gauges()).rooms == 1


async def test_rooms_are_apart_and_a_leg_that_left_hears_nothing(calls: Calls) -> None:
    one, two, three, four = [await calls.call() for _ in range(4)]
    for leg, room in ((one, "a"), (two, "a"), (three, "b"), (four, "b")):
        await calls.media.join(room, leg.leg_id)
    await one.peer.say(sine(500, 0.3))
    assert level(two.peer.recent(0.2), 500) > 6000
    assert level(three.peer.recent(0.2), 500) < 50
    await calls.media.leave(two.leg_id)
    count = len(two.peer.audio)
    await one.peer.say(sine(500, 0.3))
    assert level(two.peer.recent(0.2), 500) < 50
    assert len(two.peer.audio) > count


async def test_the_muted_are_not_heard_and_the_deaf_do_not_hear(calls: Calls) -> None:
    one, two = [await calls.call() for _ in range(2)]
    await calls.media.join("a", one.leg_id, muted=True)
    await calls.media.join("a", two.leg_id, deaf=True)
    await asyncio.gather(one.peer.say(sine(500, 0.3)), two.peer.say(sine(900, 0.3)))
    assert level(one.peer.recent(0.2), 900) > 6000
    assert level(two.peer.recent(0.2), 500) < 50
    await calls.media.join("a", one.leg_id)
    await calls.media.join("a", two.leg_id)
    await one.peer.say(sine(500, 0.3))
    assert level(two.peer.recent(0.2), 500) > 6000


async def test_loud_voices_saturate_instead_of_wrapping(calls: Calls) -> None:
    legs = [await calls.call() for _ in range(3)]
    for leg in legs:
        await calls.media.join("a", leg.leg_id)
    silent, *loud = legs
    await asyncio.gather(*(leg.peer.say(sine(400, 0.5, 32000)) for leg in loud))
    heard = silent.peer.recent(0.3)[:1600]
    assert max(abs(heard)) > 30000
    assert level(heard, 400) > 20000


async def test_a_play_is_heard_on_top_of_the_room_by_its_leg_alone(calls: Calls) -> None:
    one, two = [await calls.call() for _ in range(2)]
    for leg in (one, two):
        await calls.media.join("a", leg.leg_id)
    await calls.media.play(one.leg_id, "beep", [Tone(frequencies=(1300.0,), duration_ms=1000)])
    await two.peer.say(sine(500, 0.5, 6000))
    assert level(one.peer.recent(0.2), 1300) > 14000
    assert level(one.peer.recent(0.2), 500) > 5000
    assert level(two.peer.recent(0.2), 1300) < 100
