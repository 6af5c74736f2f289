"""Who hears whom in a room beyond everybody: coaches, listeners, and what the house announces and records."""

import asyncio
from pathlib import Path

import pytest

from sautikitd.voice.media.client import MediaRefused
from sautikitd.voice.media.protocol import Dtmf, PlayFinished, RecordingEnded, Tone
from voice.media.call import Calls
from voice.media.rtp_peer import level, sine
from voice.media.sound_file import read_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_coach_is_heard_by_his_agent_alone_and_hears_both(calls: Calls) -> None:
    customer, agent, coach = [await calls.call() for _ in range(3)]
    await calls.media.join("a", coach.leg_id, heard_by=[agent.leg_id])
    for leg in (customer, agent):
        await calls.media.join("a", leg.leg_id)
    await asyncio.gather(
        *(leg.peer.say(sine(tone, 0.5, 6000)) for leg, tone in ((customer, 500), (agent, 900), (coach, 1300)))
    )
    heard = {leg.leg_id: leg.peer.recent(0.3) for leg in (customer, agent, coach)}
    assert level(heard[agent.leg_id], 1300) > 5500
    assert level(heard[customer.leg_id], 1300) < 100
    assert level(heard[customer.leg_id], 900) > 5500
    assert level(heard[coach.leg_id], 500) > 5500
    assert level(heard[coach.leg_id], 900) > 5500


async def test_a_listener_is_heard_by_nobody_until_he_barges_in(calls: Calls) -> None:
    one, two, listener = [await calls.call() for _ in range(3)]
    for leg in (one, two):
        await calls.media.join("a", leg.leg_id)
    await calls.media.join("a", listener.leg_id, heard_by=[])
    await asyncio.gather(listener.peer.say(sine(1300, 0.3)), one.peer.say(sine(500, 0.3)))
    assert level(two.peer.recent(0.2), 1300) < 50
    assert level(listener.peer.recent(0.2), 500) > 6000
    await calls.media.join("a", listener.leg_id)
    await listener.peer.say(sine(1300, 0.3))
    assert level(two.peer.recent(0.2), 1300) > 6000


async def test_an_announcement_is_heard_by_all_and_two_at_once_are_both(calls: Calls) -> None:
    one, two = [await calls.call() for _ in range(2)]
    for leg in (one, two):
        await calls.media.join("a", leg.leg_id)
    events: list[object] = []
    await calls.media.open_booth("booth", "a", events.append)
    await calls.media.announce("booth", "music", [Tone(frequencies=(700.0,), duration_ms=10_000)])
    await calls.media.announce("booth", "beep", [Tone(frequencies=(1500.0,), duration_ms=400)])
    await one.peer.say(sine(400, 0.3))
    for leg in (one, two):
        assert level(leg.peer.recent(0.15), 700) > 6000
        assert level(leg.peer.recent(0.15), 1500) > 6000
    await one.until(lambda: bool(events))
    assert events == [PlayFinished(leg_id="booth", play_id="beep", completed=True)]
    await calls.media.hush("booth")
    await calls.media.close_booth("booth")
    assert events[1:] == [PlayFinished(leg_id="booth", play_id="music", completed=False)]


async def test_a_recording_of_the_booth_holds_the_whole_room_but_no_whispers(
    calls: Calls, tmp_path: Path
) -> None:
    one, two, coach = [await calls.call() for _ in range(3)]
    for leg in (one, two):
        await calls.media.join("a", leg.leg_id)
    await calls.media.join("a", coach.leg_id, heard_by=[one.leg_id])
    events: list[object] = []
    await calls.media.open_booth("booth", "a", events.append)
    path = tmp_path / "room.wav"
    await calls.media.start_recording("booth", "r", path, max_ms=60_000, include_sent=True)
    await calls.media.announce("booth", "said", [Tone(frequencies=(700.0,), duration_ms=2000)])
    await asyncio.gather(
        *(leg.peer.say(sine(tone, 0.5, 6000)) for leg, tone in ((one, 400), (two, 900), (coach, 1300)))
    )
    await calls.media.stop_recording("r")
    assert isinstance(events[0], RecordingEnded)
    (samples,) = read_wav(path)
    middle = samples[1600:3200]
    assert min(level(middle, tone) for tone in (400, 700, 900)) > 5000
    assert level(middle, 1300) < 100
    await calls.media.close_booth("booth")


async def test_a_room_has_no_keys_and_a_booth_one_name(calls: Calls) -> None:
    await calls.media.open_booth("booth", "a")
    with pytest.raises(MediaRefused):
        await calls.media.announce("booth", "keys", [Dtmf(digits="1")])
    with pytest.raises(MediaRefused):
        await calls.media.open_booth("booth", "b")
    await calls.media.close_booth("booth")
    with pytest.raises(MediaRefused):
        await calls.media.close_booth("booth")
