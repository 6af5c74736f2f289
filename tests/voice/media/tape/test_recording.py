"""Recordings hold what was said, end when they should, and survive a crash."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from sautikitd.voice.media.client import MediaRefused
from sautikitd.voice.media.protocol import RecordingEnd, RecordingEnded, Tone
from sautikitd.voice.media.tape.wav import repair_wav
from voice.media.call import Call, Calls
from voice.media.rtp_peer import level, sine
from voice.media.sound_file import read_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def both_speak(call: Call, seconds: float) -> None:
    """The far end says 500 Hz while we say 1,200 Hz."""
    tone = Tone(frequencies=(1200.0,), duration_ms=round(seconds * 1000))
    await call.media.play(call.leg_id, "p", [tone])
    await call.peer.say(sine(500, seconds))


@pytest.mark.parametrize(
    ("channels", "include_sent", "expected"),
    [(1, False, [(8000, 0)]), (1, True, [(8000, 16384)]), (2, True, [(8000, 0), (0, 16384)])],
)
async def test_a_recording_holds_the_sides_asked_for(
    calls: Calls, tmp_path: Path, channels: int, include_sent: bool, expected: list[tuple[int, int]]
) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(
        call.leg_id, "r", path, channels=channels, max_ms=60_000, include_sent=include_sent
    )
    await both_speak(call, 0.6)
    await call.media.stop_recording("r")
    ended = await call.event(RecordingEnded)
    heard = read_wav(path)
    assert (ended.reason, ended.size_bytes) == (RecordingEnd.STOPPED, path.stat().st_size)
    assert abs(ended.duration_ms - 600) < 80
    assert ended.duration_ms == len(heard[0]) // 8
    for channel, (far, near) in zip(heard, expected, strict=True):
        middle = channel[1600:4000]
        assert abs(level(middle, 500) - far) < 300
        assert abs(level(middle, 1200) - near) < 400


async def test_silence_ends_a_recording(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000, silence_ms=300)
    await call.peer.say(
        np.concatenate([sine(500, 0.3), sine(500, 0.2, 40), sine(500, 0.2), sine(500, 0.6, 40)])
    )
    ended = await call.event(RecordingEnded)
    assert ended.reason is RecordingEnd.SILENCE
    assert 950 <= ended.duration_ms <= 1200


async def test_silence_at_both_ends_is_trimmed(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000, silence_ms=500, trim_silence=True)
    await call.peer.say(np.concatenate([sine(500, 0.4, 40), sine(500, 0.4), sine(500, 0.6, 40)]))
    ended = await call.event(RecordingEnded)
    heard = read_wav(path)[0]
    assert 700 <= ended.duration_ms <= 900
    assert ended.duration_ms == len(heard) // 8
    assert level(heard[: len(heard) // 2 + 400], 500) > 3000


async def test_a_recording_of_nothing_trimmed_is_empty_but_valid(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000, silence_ms=200, trim_silence=True)
    assert (await call.event(RecordingEnded)).duration_ms == 0
    assert len(read_wav(path)[0]) == 0


async def test_the_length_ends_a_recording(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=300)
    ended = await call.event(RecordingEnded)
    assert (ended.reason, ended.duration_ms, len(read_wav(path)[0])) == (RecordingEnd.MAX_LENGTH, 300, 2400)


async def test_what_is_said_during_a_pause_is_cut_out(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000)
    await call.peer.say(sine(500, 0.3))
    await call.media.pause_recording("r")
    await call.peer.say(sine(900, 0.4))
    await call.peer.say(sine(500, 0.1))
    await call.media.resume_recording("r")
    await call.peer.say(sine(500, 0.3))
    await call.media.stop_recording("r")
    heard = read_wav(path)[0]
    assert 4000 <= len(heard) <= 5600
    assert max(level(frame, 900) for frame in heard[: len(heard) // 160 * 160].reshape(-1, 160)) < 2500


async def test_closing_the_leg_finishes_its_recordings_first(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000)
    await call.peer.say(sine(500, 0.3))
    await call.media.close_leg(call.leg_id)
    assert [event.reason for event in call.all(RecordingEnded)] == [RecordingEnd.LEG_CLOSED]
    assert level(read_wav(path)[0][800:1600], 500) > 7000


async def test_a_recording_that_cannot_be_written_is_refused(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    with pytest.raises(MediaRefused, match="No such file"):
        await call.media.start_recording(call.leg_id, "r", tmp_path / "none" / "r.wav", max_ms=1000)
    with pytest.raises(MediaRefused, match="UnknownRecording"):
        await call.media.stop_recording("r")


async def test_a_recording_is_playable_after_a_crash(doomed: Calls, tmp_path: Path) -> None:
    call = await doomed.call()
    path = tmp_path / "r.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000)
    await call.peer.say(sine(500, 1.5))
    os.kill(call.media.pid, signal.SIGKILL)
    await call.until(lambda: call.media.lost)
    assert len(read_wav(path)[0]) / 8 > 500  # as it is
    with path.open("ab") as file:
        file.write(bytes(321))  # samples that came after the last header, and half a one
    duration = repair_wav(path)
    heard = read_wav(path)[0]
    assert duration == len(heard) // 8
    assert level(heard[800:2400], 500) > 7000


async def test_only_our_recordings_are_repaired(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="does not begin"):
        repair_wav(path)
