"""What the far end says is heard, whatever the network does to it: judged by the recording of the leg."""

import asyncio
import random
import time
from pathlib import Path

import numpy as np
import pytest

from sautikitd.voice.media.protocol import FirstPacket, MediaResumed, MediaSilent, Tone
from voice.media.call import Call, Calls
from voice.media.rtp_peer import Samples, level, sine
from voice.media.sound_file import read_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def recorded(call: Call, folder: Path, datagrams: list[bytes], interval: float = 0.02) -> Samples:
    """What the leg heard of these datagrams, sent in this order."""
    path = folder / "heard.wav"
    await call.media.start_recording(call.leg_id, "r", path, max_ms=60_000)
    await call.peer.pace(datagrams, interval)
    await call.until(lambda: len(call.peer.packets) > 0)
    start = len(call.peer.packets)
    await call.until(lambda: len(call.peer.packets) > start + 8)  # what is in the jitter buffer comes out
    await call.media.stop_recording("r")
    return read_wav(path)[0]


def loud_ms(heard: Samples, frequency: float) -> int:
    """For how long a tone was there, by frames of 20 ms."""
    frames = heard[: len(heard) // 160 * 160].reshape(-1, 160)
    return 20 * sum(level(frame, frequency) > 4000 for frame in frames)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_both_laws_are_heard_at_their_level(calls: Calls, tmp_path: Path, codec: str) -> None:
    call = await calls.call(codec=codec)
    heard = await recorded(call, tmp_path, call.peer.frames(sine(500, 0.5)))
    loud = np.flatnonzero(np.abs(heard) > 500)
    # With the fade of the concealment, and what it filled where this test was late with a packet.
    assert 500 <= (loud[-1] - loud[0]) / 8 + 1 <= 700
    assert abs(level(heard[loud[0] :][:3900], 500) - 8000) < 200


@pytest.mark.parametrize("size", [80, 240, 320, 480])
async def test_packets_of_other_lengths_are_heard(calls: Calls, tmp_path: Path, size: int) -> None:
    call = await calls.call()
    heard = await recorded(call, tmp_path, call.peer.frames(sine(500, 0.48), size), size / 8000)
    assert 440 <= loud_ms(heard, 500) <= 520


async def test_reordered_and_doubled_packets_come_out_in_order(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 0.6))
    for index in range(3, len(datagrams) - 1, 4):
        datagrams[index], datagrams[index + 1] = datagrams[index + 1], datagrams[index]
    doubled = [copy for index, made in enumerate(datagrams) for copy in [made] * (1 + (index % 5 == 0))]
    heard = await recorded(call, tmp_path, doubled, 0.02 * len(datagrams) / len(doubled))
    loud = np.flatnonzero(np.abs(heard) > 500)
    tone = heard[loud[0] + 160 : loud[-1] - 400]
    assert level(tone, 500) > 7800  # a frame out of place would break the phase
    assert (await call.media.stats(call.leg_id)).lost == 0


async def test_a_lost_packet_is_concealed_and_counted(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 1.0))
    del datagrams[20], datagrams[30]
    heard = await recorded(call, tmp_path, datagrams)
    assert loud_ms(heard, 500) >= 960
    stats = await call.media.stats(call.leg_id)
    assert (stats.lost, stats.packets_received) == (2, 48)
    assert stats.loss_percent == pytest.approx(4.0)
    assert 3.5 < stats.mos < 4.3


async def test_the_sequence_and_the_timestamp_may_wrap(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    call.peer.sequence, call.peer.timestamp = 65530, 0xFFFFFFFF - 1500
    heard = await recorded(call, tmp_path, call.peer.frames(sine(500, 0.6)))
    assert 580 <= loud_ms(heard, 500) <= 640
    stats = await call.media.stats(call.leg_id)
    assert (stats.lost, stats.packets_received) == (0, 30)


async def test_thirty_milliseconds_of_jitter_are_borne_and_measured(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    chance = random.Random(7)
    datagrams = call.peer.frames(sine(500, 1.6))
    late = [(index * 0.02 + chance.uniform(0, 0.03), made) for index, made in enumerate(datagrams)]
    start = time.monotonic()
    await call.media.start_recording(call.leg_id, "r", tmp_path / "r.wav", max_ms=60_000)
    for due, made in sorted(late):
        await asyncio.sleep(max(0.0, start + due - time.monotonic()))
        call.peer.transmit(made)
    await call.media.stop_recording("r")
    heard = read_wav(tmp_path / "r.wav")[0]
    assert loud_ms(heard, 500) >= 1440
    stats = await call.media.stats(call.leg_id)
    assert 4 < stats.jitter_ms < 20


async def test_a_far_end_that_changes_its_stream_is_heard_on(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    first = call.peer.frames(sine(500, 0.4))
    call.peer.ssrc, call.peer.sequence, call.peer.timestamp = 4711, 9, 99
    heard = await recorded(call, tmp_path, first + call.peer.frames(sine(900, 0.4)))
    assert loud_ms(heard, 500) >= 340
    assert loud_ms(heard, 900) >= 340


async def test_one_stray_packet_of_another_stream_changes_nothing(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 0.6))
    ours, call.peer.ssrc = call.peer.ssrc, 4711
    datagrams.insert(15, call.peer.frames(sine(900, 0.02))[0])
    call.peer.ssrc = ours
    heard = await recorded(call, tmp_path, datagrams, 0.0195)
    assert loud_ms(heard, 500) >= 560
    assert loud_ms(heard, 900) == 0


async def test_the_source_is_learned_when_the_announced_port_is_wrong(calls: Calls) -> None:
    call = await calls.call(announced_port=9)
    await call.peer.say(sine(500, 0.2))
    await call.until(lambda: len(call.peer.packets) > 5)
    assert (await call.event(FirstPacket)).leg_id == call.leg_id


async def test_a_stranger_cannot_take_over_a_live_stream(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    stranger = calls.peer()
    stranger.to = call.peer.to
    datagrams, strange = call.peer.frames(sine(500, 0.5)), stranger.frames(sine(900, 0.5))
    await call.media.start_recording(call.leg_id, "r", tmp_path / "r.wav", max_ms=60_000)
    for ours, theirs in zip(datagrams, strange, strict=True):
        await call.peer.pace([ours, b""], 0.02)
        stranger.transmit(theirs)
    await call.media.stop_recording("r")
    heard = read_wav(tmp_path / "r.wav")[0]
    assert loud_ms(heard, 900) == 0
    assert loud_ms(heard, 500) >= 400
    assert not stranger.packets


async def test_comfort_noise_and_unknown_payloads_disturb_nothing(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 0.2))
    for kind in (13, 19, 96, 13):
        datagrams.append(call.peer.datagram(b"\x40", payload_type=kind))
        call.peer.timestamp += 160
    datagrams += call.peer.frames(sine(500, 0.2))
    heard = await recorded(call, tmp_path, datagrams)
    assert 360 <= loud_ms(heard, 500) <= 460  # what is no audio is a gap, and concealed
    assert (await call.media.stats(call.leg_id)).lost == 0


async def test_header_extension_csrc_and_padding_are_skipped(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call()
    plain = call.peer.frames(sine(500, 0.4))
    extended = [
        bytes([0x80 | 0x20 | 0x10 | 1])
        + made[1:12]
        + b"csrc"
        + b"\xbe\xde\x00\x01"
        + b"ext!"
        + made[12:]
        + b"\0\0\0\4"
        for made in plain
    ]
    heard = await recorded(call, tmp_path, extended)
    assert 380 <= loud_ms(heard, 500) <= 440


async def test_silence_of_the_line_is_told_and_its_end_too(calls: Calls) -> None:
    call = await calls.call()
    await call.peer.say(sine(500, 0.1))
    silent = await call.event(MediaSilent)
    assert silent.last_received_at is not None
    assert silent.last_received_at >= (await call.event(FirstPacket)).at
    await call.peer.say(sine(500, 0.1))
    await call.event(MediaResumed)
    assert len(call.all(MediaSilent)) == 1


async def test_what_we_send_comes_from_the_port_that_we_announce(calls: Calls) -> None:
    call = await calls.call()
    await call.media.play(call.leg_id, "p", [Tone(frequencies=(500.0,), duration_ms=200)])
    await call.until(lambda: len(call.peer.packets) > 5)
    assert {packet.source for packet in call.peer.packets} == {(call.local.address, call.local.rtp_port)}


async def test_a_leg_that_is_not_to_receive_hears_nothing(calls: Calls, tmp_path: Path) -> None:
    call = await calls.call(receive=False)
    heard = await recorded(call, tmp_path, call.peer.frames(sine(500, 0.2)))
    assert loud_ms(heard, 500) == 0
    assert (await call.media.stats(call.leg_id)).packets_received == 10


async def test_odd_datagrams_hurt_nobody(calls: Calls) -> None:
    call = await calls.call()
    chance = random.Random(3)
    for peer, size in ((call.peer, 400), (calls.peer(), 40)):
        peer.to = (call.local.address, call.local.rtp_port)
        for _ in range(400):
            odd = bytearray(chance.randbytes(chance.randrange(size)))
            if odd and chance.random() < 0.7:
                odd[0] = 0x80
            peer.transmit(bytes(odd))
            peer.rtp.sendto(bytes(odd), (call.local.address, call.local.rtcp_port))
    count = len(call.peer.packets)
    await call.until(lambda: len(call.peer.packets) > count + 5)
    assert (await call.media.gauges()).legs == 1
