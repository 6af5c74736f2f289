"""Two legs of one codec in a room: what one sends reaches the other as it was, until something else is to be heard."""

import itertools

import numpy as np
import pytest

from sautikitd.voice.media.codecs.registry import clock_scale, make_decoder, make_encoder
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import Tone
from voice.media.call import Call, Calls
from voice.media.rtp_peer import Packet, Peer, level, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODECS = [Codec.OPUS, Codec.G722]


async def pair(calls: Calls, codec: Codec) -> tuple[Call, Call]:
    made = [
        await calls.meet(Peer(payload_type=payload_type), codec=codec, payload_type=payload_type)
        for payload_type in (96, 111)
    ]
    for call in made:
        await calls.media.join(f"room-{codec}", call.leg_id)
    return made[0], made[1]


async def say(call: Call, codec: Codec, hertz: float) -> list[bytes]:
    """Half a second of a tone; the payloads."""
    encoder, peer = make_encoder(codec), call.peer
    payloads = [encoder.encode(frame) for frame in sine(hertz, 0.5).astype(np.int16).reshape(-1, 160)]
    datagrams = []
    for payload in payloads:
        datagrams.append(peer.datagram(payload))
        peer.timestamp += 160 * clock_scale(codec)
    await peer.pace(datagrams)
    return payloads


def heard(packets: list[Packet], codec: Codec) -> float:
    """The level of 700 Hz in the loudest tenth of a second."""
    decoder = make_decoder(codec)
    assert decoder is not None
    samples = np.concatenate([decoder.decode(packet.payload) for packet in packets]).astype(np.float64)
    return max(level(samples[start : start + 800], 700) for start in range(0, len(samples) - 799, 400))


@pytest.mark.parametrize("codec", CODECS)
async def test_packets_are_sent_on_unchanged_with_numbers_of_our_own(calls: Calls, codec: Codec) -> None:
    near, far = await pair(calls, codec)
    payloads = await say(near, codec, 440)
    await far.until(lambda: payloads[-1] in [packet.payload for packet in far.peer.packets])
    got = [packet for packet in far.peer.audio if packet.payload in payloads]
    assert [packet.payload for packet in got] == payloads
    for first, second in itertools.pairwise(got):
        assert (second.sequence - first.sequence) & 0xFFFF == 1
        assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 160 * clock_scale(codec)
    assert {packet.ssrc for packet in far.peer.audio} != {near.peer.ssrc}
    for call in (near, far):
        await calls.media.leave(call.leg_id)


@pytest.mark.parametrize("codec", CODECS)
async def test_what_is_played_is_heard_over_it_and_then_they_hear_each_other_again(
    calls: Calls, codec: Codec
) -> None:
    near, far = await pair(calls, codec)
    await say(near, codec, 440)
    await calls.media.play(far.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=400)])
    await say(near, codec, 440)
    assert heard(far.peer.audio, codec) > 6000
    again = await say(near, codec, 440)
    await far.until(lambda: again[-1] in [packet.payload for packet in far.peer.packets])
    for call in (near, far):
        await calls.media.leave(call.leg_id)
