"""What is played is heard at the far end."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from sautikitd.voice.media.client import MediaRefused
from sautikitd.voice.media.protocol import Dtmf, PcmFile, PlayFinished, Segment, Silence, Tone
from voice.media.call import Calls
from voice.media.rtp_peer import decibels, level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_a_tone_is_heard_at_its_level_and_for_its_time(calls: Calls, codec: str) -> None:
    call = await calls.call(codec=codec)
    await calls.media.play(call.leg_id, "p1", [Tone(frequencies=(440.0,), duration_ms=400)])
    finished = await call.event(PlayFinished)
    await call.until(lambda: bool(call.peer.audio) and not np.any(np.abs(call.peer.recent(0.02)) > 100))
    heard = call.peer.heard()
    loud = np.flatnonzero(np.abs(heard) > 100)
    tone = heard[loud[0] : loud[-1]]
    assert finished == PlayFinished(leg_id=call.leg_id, play_id="p1", completed=True)
    assert abs(len(tone) / 8 - 400) < 2
    assert abs(decibels(level(tone, 440), 16384)) < 0.3
    assert level(tone, 1000) < level(tone, 440) / 100


async def test_packets_follow_each_other_each_twenty_milliseconds(calls: Calls) -> None:
    call = await calls.call()
    await call.until(lambda: len(call.peer.packets) >= 30)
    packets = call.peer.packets
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
    for before, after in itertools.pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == 160
    assert len({packet.ssrc for packet in packets}) == 1
    assert 0.5 < packets[29].at - packets[0].at < 0.66


async def test_a_file_is_played_in_order_and_as_often_as_asked(calls: Calls, tmp_path: Path) -> None:
    path = tmp_path / "prompt.pcm"
    sine(600, 0.1).astype("<i2").tofile(path)
    call = await calls.call()
    segments: list[Segment] = [PcmFile(path=str(path)), Silence(duration_ms=100)]
    await calls.media.play(call.leg_id, "p1", segments, loop=2)
    await call.event(PlayFinished)
    frames = call.peer.heard().reshape(-1, 160)
    loud = [level(frame, 600) > 4000 for frame in frames]
    first = loud.index(True)
    assert loud[first : first + 20] == ([True] * 5 + [False] * 5) * 2


async def test_a_cadence_is_on_and_off(calls: Calls) -> None:
    call = await calls.call()
    tone = Tone(frequencies=(425.0,), duration_ms=240, on_ms=60, off_ms=60)
    await calls.media.play(call.leg_id, "p1", [tone])
    await call.event(PlayFinished)
    loud = [level(frame, 425) > 4000 for frame in call.peer.heard().reshape(-1, 160)]
    first = loud.index(True)
    assert loud[first : first + 12] == ([True] * 3 + [False] * 3) * 2


async def test_a_new_play_replaces_the_old_one(calls: Calls) -> None:
    call = await calls.call()
    await calls.media.play(call.leg_id, "old", [Tone(frequencies=(440.0,), duration_ms=60_000)])
    await call.until(lambda: level(call.peer.recent(0.1), 440) > 10_000)
    await calls.media.play(call.leg_id, "new", [Tone(frequencies=(1000.0,), duration_ms=200)])
    await call.until(lambda: len(call.all(PlayFinished)) == 2)
    assert [(event.play_id, event.completed) for event in call.all(PlayFinished)] == [
        ("old", False),
        ("new", True),
    ]
    assert level(call.peer.recent(0.1), 440) < 100


async def test_a_stopped_play_is_quiet_at_once(calls: Calls) -> None:
    call = await calls.call()
    await calls.media.play(call.leg_id, "p1", [Tone(frequencies=(440.0,), duration_ms=60_000)])
    await call.until(lambda: level(call.peer.recent(0.1), 440) > 10_000)
    await calls.media.stop_play(call.leg_id)
    count = len(call.peer.audio)
    await call.until(lambda: len(call.peer.audio) >= count + 7)
    assert (await call.event(PlayFinished)).completed is False
    assert level(call.peer.recent(0.1), 440) < 20


async def test_what_cannot_be_played_is_refused_with_the_reason(calls: Calls) -> None:
    call = await calls.call()
    with pytest.raises(MediaRefused, match="nowhere"):
        await calls.media.play(call.leg_id, "p1", [PcmFile(path="nowhere")])
    with pytest.raises(MediaRefused, match="'x'"):
        await calls.media.play(call.leg_id, "p1", [Dtmf(digits="1x")])
    with pytest.raises(MediaRefused, match="UnknownLeg"):
        await calls.media.play("nobody", "p1", [])


async def test_a_leg_on_hold_is_sent_nothing(calls: Calls) -> None:
    call = await calls.call()
    await call.until(lambda: len(call.peer.packets) > 3)
    await calls.media.configure_leg(
        call.leg_id, call.remote.__class__(address="0.0.0.0", rtp_port=call.peer.port)
    )
    count = (await calls.media.stats(call.leg_id)).packets_sent
    await calls.media.play(call.leg_id, "p1", [Tone(frequencies=(440.0,), duration_ms=100)])
    await call.event(PlayFinished)
    assert (await calls.media.stats(call.leg_id)).packets_sent == count
