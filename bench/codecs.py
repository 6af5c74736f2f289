"""What a codec and encryption cost: microseconds a frame each way, and legs a core in the media plane.

    python bench/codecs.py [--legs 60] [--ticks 150]

The first table is the codec or the cipher alone, on speech-like sound, frames of 20 ms; Opus is also decoded from
what a browser sends (48 kHz, 32 kbit/s). The second runs `Plane.tick` with real sockets on loopback: every leg gets
a packet and sends one each tick, and only the tick's own CPU is counted: a core carries 20 ms divided by a leg's
share of it. A browser's leg is Opus in SRTP; its checks and its handshake come once in seconds and once in a call.
"""

import argparse
import asyncio
import ctypes
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sautikitd.voice.media.codecs.libopus import libopus
from sautikitd.voice.media.codecs.registry import clock_scale, make_decoder, make_encoder
from sautikitd.voice.media.crypto.srtp import Opener, Sealer
from sautikitd.voice.media.crypto.suites import Suite
from sautikitd.voice.media.g711 import Codec, Pcm, decode, encode
from sautikitd.voice.media.plane import Plane
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.media.rtp.packets import RtpPacket, build_rtp
from sautikitd.voice.media.terms import SrtpTerms
from sautikitd.voice.media.wire.ports import Ports

FRAME = 160
TICK_S = 0.020
WARM_UP = 20
TYPES = {Codec.PCMU: 0, Codec.PCMA: 8, Codec.G722: 9, Codec.OPUS: 111}


def speech(rate: int, seconds: float = 4.0) -> Pcm:
    """A voice of sorts: harmonics of a gliding pitch in syllables, over a little noise."""
    times = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * times)) / rate
    voice = np.sum([np.sin(harmonic * phase) / harmonic for harmonic in range(1, 20)], axis=0)
    noise = np.random.default_rng(1).normal(0, 60, len(times))
    made: Pcm = (3500 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * times)) + noise).astype(np.int16)
    return made


def frames(rate: int = 8000) -> list[Pcm]:
    return list(speech(rate).reshape(-1, rate // 50))


def microseconds(work: Callable[[int], object], count: int) -> float:
    """Of CPU for each of `count` calls, the best of three rounds."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for index in range(count):
            work(index)
        rounds.append((time.process_time() - start) / count * 1e6)
    return min(rounds)


def browser_payloads() -> list[bytes]:
    """Full-band Opus, as Chromium makes it unless it is asked for less."""
    library, rate = libopus(), 48_000
    state = library.opus_encoder_create(rate, 1, 2048, None)
    library.opus_encoder_ctl(ctypes.c_void_p(state), ctypes.c_int(4002), ctypes.c_int32(32_000))
    out = ctypes.create_string_buffer(1275)
    payloads = []
    for frame in frames(rate):
        size = library.opus_encode(state, frame.ctypes.data, len(frame), out, len(out))
        payloads.append(out.raw[:size])
    library.opus_encoder_destroy(state)
    return payloads


def codec_table() -> None:
    print(f"{'one frame of 20 ms':34}{'out, µs':>10}{'in, µs':>10}")
    said = frames()
    batch = np.stack(said)
    codes = encode(batch, Codec.PCMU)
    out = microseconds(lambda _: encode(batch, Codec.PCMU), 20) / len(said)
    back = microseconds(lambda _: decode(codes, Codec.PCMU), 20) / len(said)
    print(f"{'PCMU, by arrays':34}{out:10.2f}{back:10.2f}")
    for codec in (Codec.G722, Codec.OPUS):
        encoder, decoder = make_encoder(codec), make_decoder(codec)
        assert decoder is not None
        payloads = [encoder.encode(frame) for frame in said]
        out = microseconds(lambda index, encoder=encoder: encoder.encode(said[index]), len(said))  # type: ignore[misc]
        back = microseconds(
            lambda index, decoder=decoder, payloads=payloads: decoder.decode(payloads[index]),  # type: ignore[misc]
            len(said),
        )
        print(f"{codec:34}{out:10.2f}{back:10.2f}")
    decoder, wide = make_decoder(Codec.OPUS), browser_payloads()
    assert decoder is not None
    back = microseconds(lambda index: decoder.decode(wide[index]), len(wide))
    print(f"{'opus, a browser’s full band':34}{'':10}{back:10.2f}")
    cipher_row()


def cipher_row() -> None:
    key, count = os.urandom(30), 3000
    sealer, opener = Sealer(Suite.SHA1_80, key), Opener(Suite.SHA1_80, key)
    plain = [
        build_rtp(RtpPacket(False, 0, number, number * 160, 7, bytes(160))) for number in range(3 * count)
    ]
    numbers = iter(plain)
    sealed: list[bytes] = []
    out = microseconds(lambda _: sealed.append(sealer.rtp(next(numbers)) or b""), count)
    arrived = iter(sealed)
    back = microseconds(lambda _: opener.rtp(next(arrived)), count)
    print(f"{'SRTP of a G.711 packet':34}{out:10.2f}{back:10.2f}")


@dataclass
class FarEnd:
    """Its packets are made and sealed beforehand."""

    to: tuple[str, int]
    datagrams: list[bytes]


async def legs_a_core(codec: Codec, *, srtp: bool, legs: int, ticks: int) -> None:
    """Prints what a tick with so many legs costs."""
    plane = Plane(Ports("127.0.0.1", 0, 0), lambda _: None, capacity=legs, silent_after_s=60)
    with socket.socket(type=socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        far_ends = [
            far_end(plane, f"leg-{number}", codec, own, srtp=srtp, ticks=ticks) for number in range(legs)
        ]
        spent = 0.0
        for tick in range(ticks):
            for end in far_ends:
                own.sendto(end.datagrams[tick], end.to)
            start = time.process_time()
            plane.tick()
            if tick >= WARM_UP:
                spent += time.process_time() - start
        share = spent / (ticks - WARM_UP) / legs
        name = f"{codec}{' in SRTP' if srtp else ''}"
        print(f"{name:34}{share * 1e6:10.1f}{TICK_S / share:14.0f}")
        await plane.close()


def far_end(plane: Plane, leg_id: str, codec: Codec, own: socket.socket, *, srtp: bool, ticks: int) -> FarEnd:
    key, scale = os.urandom(30), clock_scale(codec)
    terms = SrtpTerms(local_suite=Suite.SHA1_80, local_key=key, remote_suite=Suite.SHA1_80, remote_key=key)
    local = plane.open_leg(leg_id)
    plane.configure_leg(
        leg_id,
        RemoteMedia(
            address="127.0.0.1",
            rtp_port=own.getsockname()[1],
            codec=codec,
            payload_type=TYPES[codec],
            dtmf_payload_type=101,
            srtp=terms if srtp else None,
        ),
    )
    sealer = Sealer(Suite.SHA1_80, key)
    datagrams = []
    for number, payload in enumerate(_payloads(codec, ticks)):
        plain = build_rtp(RtpPacket(number == 0, TYPES[codec], number, number * FRAME * scale, 9, payload))
        datagrams.append((sealer.rtp(plain) or b"") if srtp else plain)
    return FarEnd((local.address, local.rtp_port), datagrams)


_made: dict[Codec, list[bytes]] = {}


def _payloads(codec: Codec, count: int) -> list[bytes]:
    if codec not in _made:
        encoder = make_encoder(codec)
        _made[codec] = (
            browser_payloads() if codec is Codec.OPUS else [encoder.encode(one) for one in frames()]
        )
    return [_made[codec][number % len(_made[codec])] for number in range(count)]


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--legs", type=int, default=60)
    parser.add_argument("--ticks", type=int, default=150)
    wanted = parser.parse_args()
    codec_table()
    print(f"\n{'a leg in the plane':34}{'tick, µs':>10}{'legs a core':>14}")
    for codec in (Codec.PCMU, Codec.G722, Codec.OPUS):
        for srtp in (False, True):
            await legs_a_core(codec, srtp=srtp, legs=wanted.legs, ticks=wanted.ticks)


if __name__ == "__main__":
    asyncio.run(main())
