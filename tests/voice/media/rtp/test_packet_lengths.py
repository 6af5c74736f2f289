"""Packets of 10 to 60 ms both ways, and codecs other than G.711, on real sockets."""

import itertools

import numpy as np
import pytest

from sautikitd.voice.media.codecs.registry import clock_scale, make_decoder, make_encoder
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import DigitReceived, Dtmf, PlayFinished, Tone
from voice.media.call import Call, Calls
from voice.media.rtp_peer import Peer, level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = [10, 30, 40, 60]


@pytest.mark.parametrize("milliseconds", ASKED)
async def test_the_far_end_gets_packets_of_the_length_it_asks_for(calls: Calls, milliseconds: int) -> None:
    call = await calls.meet(Peer(), packet_ms=milliseconds)
    await calls.media.play(call.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=2000)])
    await call.until(lambda: len(call.peer.packets) * milliseconds >= 600)
    packets = call.peer.packets
    assert {len(packet.payload) for packet in packets} == {milliseconds * 8}
    steps = {
        (second.sequence - first.sequence, second.timestamp - first.timestamp)
        for first, second in itertools.pairwise(packets)
    }
    assert {(a & 0xFFFF, b & 0xFFFFFFFF) for a, b in steps} == {(1, milliseconds * 8)}
    assert level(call.peer.recent(0.3), 700) > 8000


@pytest.mark.parametrize("milliseconds", ASKED)
async def test_packets_of_any_usual_length_are_heard(calls: Calls, milliseconds: int) -> None:
    call = await calls.meet(Peer())
    echo = await calls.meet(Peer())
    await calls.media.join("room", call.leg_id)
    await calls.media.join("room", echo.leg_id)
    await call.peer.say(sine(700, 0.6), milliseconds * 8)
    assert max(level(part, 700) for part in np.split(echo.peer.heard()[-2400:], 3)) > 7000
    await calls.media.leave(call.leg_id)
    await calls.media.leave(echo.leg_id)


@pytest.mark.parametrize("codec", [Codec.OPUS, Codec.G722])
async def test_a_leg_with_another_codec_speaks_hears_and_takes_keys(calls: Calls, codec: Codec) -> None:
    scale = clock_scale(codec)
    call = await calls.meet(
        Peer(payload_type=96), codec=codec, payload_type=96, dtmf_payload_type=101, dtmf_rate=8000 * scale
    )
    plain = await calls.call()
    await calls.media.join("room", call.leg_id)
    await calls.media.join("room", plain.leg_id)
    await say(call, codec, scale)
    assert max(level(part, 440) for part in np.split(plain.peer.heard()[-2400:], 3)) > 6000
    await plain.peer.say(sine(1000, 0.6))
    decoder = make_decoder(codec)
    assert decoder is not None
    heard = np.concatenate([decoder.decode(packet.payload) for packet in call.peer.audio])
    assert max(level(part, 1000) for part in np.split(heard[-3200:].astype(np.float64), 4)) > 6000
    first, second = call.peer.audio[-2:]
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 160 * scale
    await keys_both_ways(calls, call, scale)
    await calls.media.leave(call.leg_id)
    await calls.media.leave(plain.leg_id)
    stats = await calls.media.stats(call.leg_id)
    assert (stats.codec, stats.lost) == (codec, 0)
    assert stats.jitter_ms < 15


async def say(call: Call, codec: Codec, scale: int) -> None:
    encoder, peer = make_encoder(codec), call.peer
    made = []
    for frame in sine(440, 0.6).astype(np.int16).reshape(-1, 160):
        made.append(peer.datagram(encoder.encode(frame)))
        peer.timestamp += 160 * scale
    await peer.pace(made)


async def keys_both_ways(calls: Calls, call: Call, scale: int) -> None:
    await calls.media.play(call.leg_id, "keys", [Dtmf(digits="7#")])
    await call.event(PlayFinished)
    assert [key for _, key in call.peer.presses()] == ["7", "#"]
    ends = [packet for packet in call.peer.packets if packet.payload_type == 101]
    assert int.from_bytes(ends[-1].payload[2:], "big") == 800 * scale
    await call.peer.pace(call.peer.press("5"))
    assert (await call.event(DigitReceived)).digit == "5"
