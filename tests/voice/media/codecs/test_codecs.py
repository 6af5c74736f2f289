"""Opus and G.722 both ways: what goes in comes out, and what the network does to it is mended."""

from contextlib import suppress

import numpy as np
import pytest

from sautikitd.voice.media.codecs.frames import BadFrame, FrameDecoder, FrameEncoder
from sautikitd.voice.media.codecs.inlet import Inlet
from sautikitd.voice.media.codecs.opus import OpusDecoder, OpusEncoder
from sautikitd.voice.media.codecs.registry import clock_scale, make_decoder, make_encoder, packet_ms
from sautikitd.voice.media.g711 import Codec, Pcm
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.rtp.packets import RtpPacket
from voice.media.rtp_peer import Samples, level, sine

CODECS = [Codec.OPUS, Codec.G722]


def frames_of(samples: Samples, size: int = 160) -> list[Pcm]:
    whole = samples.astype(np.int16)
    return [whole[start : start + size] for start in range(0, len(whole) - size + 1, size)]


def coders(codec: Codec) -> tuple[FrameEncoder, FrameDecoder]:
    decoder = make_decoder(codec)
    assert decoder is not None
    return make_encoder(codec), decoder


@pytest.mark.parametrize("hertz", [300, 1000, 3000])
@pytest.mark.parametrize("codec", CODECS)
def test_a_tone_comes_through(codec: Codec, hertz: float) -> None:
    encoder, decoder = coders(codec)
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames_of(sine(hertz, 1.0))])
    assert len(heard) == 8000
    after_start = heard[2000:].astype(np.float64)
    assert level(after_start, hertz) == pytest.approx(8000, rel=0.15)
    assert np.sqrt(np.mean(after_start**2)) == pytest.approx(8000 / np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_opus_packets_may_have_any_usual_length(milliseconds: int) -> None:
    encoder, decoder = coders(Codec.OPUS)
    for frame in frames_of(sine(500, 0.24), milliseconds * 8):
        assert len(decoder.decode(encoder.encode(frame))) == milliseconds * 8


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("payload", [b"", b"\xff" * 3, b"\x00" * 1275])
def test_garbage_is_decoded_or_refused(codec: Codec, payload: bytes) -> None:
    _, decoder = coders(codec)
    with suppress(BadFrame):
        assert len(decoder.decode(payload)) <= 10_200


def test_a_lost_opus_packet_is_recovered_from_the_next() -> None:
    """Every tenth is lost. What the redundancy gives back is nearer the truth than what the decoder makes up, and
    both are nearer than silence."""
    encoder = OpusEncoder()
    payloads = [encoder.encode(frame) for frame in frames_of(speech(2.0))]
    whole, recovering, guessing = OpusDecoder(), OpusDecoder(), OpusDecoder()
    errors = {"recovered": 0.0, "guessed": 0.0, "silent": 0.0}
    for index, payload in enumerate(payloads[:-1]):
        truth = whole.decode(payload).astype(np.float64)
        if index % 10 != 9:
            recovering.decode(payload)
            guessing.decode(payload)
            continue
        recovered, guessed = recovering.conceal(160, payloads[index + 1]), guessing.conceal(160, None)
        assert recovered is not None
        assert guessed is not None
        errors["recovered"] += float(np.sum((recovered - truth) ** 2))
        errors["guessed"] += float(np.sum((guessed - truth) ** 2))
        errors["silent"] += float(np.sum(truth**2))
    assert errors["recovered"] < 0.8 * errors["guessed"]
    assert errors["guessed"] < errors["silent"]


def speech(seconds: float) -> Samples:
    """A voice of sorts: harmonics of a gliding pitch, in syllables."""
    times = np.arange(int(seconds * 8000)) / 8000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * times)) / 8000
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 20))
    sounding: Samples = 4000 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * times))
    return sounding


class Listener:
    """An inlet with a jitter buffer behind it, played a tick at a time."""

    def __init__(self, codec: Codec) -> None:
        self.rows = Rows(1)
        self.row = self.rows.take()
        self.rows.listening[self.row] = True
        self.encoder, decoder = coders(codec)
        self.inlet = Inlet(self.rows, self.row, decoder, scale=clock_scale(codec))
        self.scale = clock_scale(codec)

    def packets(self, said: Samples, *, first_timestamp: int = 0, sequence: int = 65_530) -> list[RtpPacket]:
        return [
            RtpPacket(
                marker=index == 0,
                payload_type=111,
                sequence=(sequence + index) & 0xFFFF,
                timestamp=(first_timestamp + index * 160 * self.scale) & 0xFFFFFFFF,
                ssrc=1,
                payload=self.encoder.encode(frame),
            )
            for index, frame in enumerate(frames_of(said))
        ]

    def hear(self, arriving: list[list[RtpPacket]]) -> Samples:
        """Each tick's packets, then the tick."""
        heard = []
        for packets in arriving:
            for packet in packets:
                ours = self.inlet.on_our_clock(packet)
                if not self.rows.started[self.row]:
                    self.rows.started[self.row] = True
                    jitter.anchor(self.rows, self.row, ours.timestamp)
                self.inlet.take(ours)
            self.inlet.hurry()
            jitter.play_out(self.rows)
            heard.append(self.rows.heard[self.row].astype(np.float64))
        return np.concatenate(heard)


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_is_heard_across_the_wrap_of_its_clock_and_its_numbers(codec: Codec) -> None:
    listener = Listener(codec)
    packets = listener.packets(sine(700, 1.0), first_timestamp=0xFFFFFFFF - 20_000)
    heard = listener.hear([[packet] for packet in packets])
    assert level(heard[4000:], 700) == pytest.approx(8000, rel=0.15)


@pytest.mark.parametrize("codec", CODECS)
def test_packets_that_overtake_each_other_are_heard_in_their_order(codec: Codec) -> None:
    swapped, plain = Listener(codec), Listener(codec)
    said = speech(1.0)
    packets = swapped.packets(said)
    order = [[packet] for packet in packets]
    for index in range(5, len(order) - 1, 4):
        order[index], order[index + 1] = order[index + 1], order[index]
    assert np.array_equal(swapped.hear(order), plain.hear([[packet] for packet in plain.packets(said)]))


def test_lost_packets_of_opus_leave_no_hole() -> None:
    listener = Listener(Codec.OPUS)
    packets = listener.packets(sine(700, 1.0))
    order = [[] if index % 10 == 7 else [packet] for index, packet in enumerate(packets)]
    heard = listener.hear(order)[4000:]
    pieces = heard[: len(heard) // 160 * 160].reshape(-1, 160)
    assert min(level(piece, 700) for piece in pieces) > 1500


@pytest.mark.parametrize(("wanted", "sent"), [(10, 10), (20, 20), (40, 40), (60, 60), (30, 20), (7, 20)])
def test_opus_is_sent_as_the_far_end_wishes_where_opus_can(wanted: int, sent: int) -> None:
    assert packet_ms(Codec.OPUS, wanted) == sent
