"""The load: a process that sends every leg G.711 at 50 packets a second, with keys, loss and jitter, and measures
the gaps between the packets that come back. `python load.py`: tells its ports, reads a `Load`, tells `Measured`.

All legs share its one port; a leg is known by where its packets come from.
"""

import math
import sys
import time
from collections.abc import Callable

import msgspec
import numpy as np
from datagrams import BATCH, Batch, names, open_socket
from numpy.typing import NDArray
from pylibsrtp import Policy, Session

from sautikitd.voice.media.codecs.opus import OpusEncoder

KEYS = "0123456789*#"
DTMF_TYPE = 101
OPUS_TYPE = 111
_KEY_FRAMES = 8  # of which the last three say that the key is up
_FIRST_KEY = 60
_WARM_UP_S = 1.0
_RTCP_S = 5.0
_FRAME_S = 0.02
_IDLE_S = 0.0003
_EMPTY_REPORT = 0x80C90001  # RTCP: a receiver report without blocks


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where. `targets` are ports of 127.0.0.1; `loss` a share; a key each `key_frames` frames, 0: none;
    `rtcp` whether the port after each target takes RTCP; `srtp` the key and salt that protect everything, if any;
    `opus` whether the audio is Opus as a browser makes it."""

    targets: list[int]
    seconds: float
    loss: float = 0.0
    jitter_ms: float = 0.0
    key_frames: int = 0
    rtcp: bool = True
    srtp: bytes = b""
    opus: bool = False


class Measured(msgspec.Struct, frozen=True):
    sent: int
    received: int
    reports: int  # RTCP packets received
    p50_ms: float  # of the gaps between packets of a stream, as the kernel stamped them
    p99_ms: float
    worst_ms: float
    late_ms: float  # how late the load itself was, p99: the measure of the measure


class Ports(msgspec.Struct, frozen=True):
    rtp: int
    rtcp: int


def key_of(
    leg: "int | NDArray[np.int64]", pressed: "int | NDArray[np.int64]", period: int
) -> "NDArray[np.int64]":
    """The index of the key that goes down on `leg` at frame `pressed`."""
    return np.asarray((pressed // period * 5 + leg) % len(KEYS))


def phase_of(
    leg: "int | NDArray[np.int64]", frame: "int | NDArray[np.int64]", period: int
) -> "NDArray[np.int64]":
    """Frames since the last key went down: legs press one after the other, not all at once."""
    return np.asarray((frame + leg * 7) % period)


def keys_of(leg: int, load: Load) -> str:
    """What was pressed on a leg, when nothing is lost: whole presses only."""
    frames = np.arange(_FIRST_KEY + 1, int(load.seconds * 50) - _KEY_FRAMES)
    pressed = frames[phase_of(leg, frames, load.key_frames) == 0]
    return "".join(KEYS[key] for key in key_of(leg, pressed, load.key_frames))


def protector(key: bytes) -> Callable[[bytes], bytes]:
    """SRTP with one key for all streams, which differ by their SSRC."""
    profile = Policy.SRTP_PROFILE_AES128_CM_SHA1_80
    protect: Callable[[bytes], bytes] = Session(
        Policy(key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
    ).protect
    return protect


def _opus_payloads() -> list[bytes]:
    """A second of a swelling chord."""
    encoder = OpusEncoder()
    times = np.arange(8000) / 8000
    chord = sum(np.sin(2 * np.pi * hertz * times) for hertz in (150, 300, 450, 900, 1350))
    spoken = (3000 * chord * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * times))).astype(np.int16)
    return [encoder.encode(frame) for frame in spoken.reshape(50, 160)]


class Schedule:
    """Every packet of the run in the order of its sending: when, which leg, which frame."""

    def __init__(self, load: Load) -> None:
        legs, frames = len(load.targets), int(load.seconds * 50)
        chance = np.random.default_rng(7)
        leg = np.repeat(np.arange(legs), frames)
        frame = np.tile(np.arange(frames), legs)
        due = chance.random(legs)[leg] * _FRAME_S + frame * _FRAME_S
        due += chance.random(len(due)) * load.jitter_ms / 1000
        kept = chance.random(len(due)) >= load.loss
        order = np.argsort(due[kept], kind="stable")
        self.due, self.leg, self.frame = due[kept][order], leg[kept][order], frame[kept][order]


class Writer:
    """Makes datagrams of scheduled packets."""

    def __init__(self, load: Load, batch: Batch) -> None:
        self._load = load
        self._batch = batch
        self._names = names(load.targets)
        self._seal = protector(load.srtp) if load.srtp else None
        self._last_frame = int(load.seconds * 50) - _KEY_FRAMES
        # A second of noise that swells and falls, as codes of the mu-law; two legs are never alike.
        chance = np.random.default_rng(3)
        swell = (40 + 30 * np.sin(np.arange(8000) / 900)).astype(np.int64)
        self._audio = (0xFF - chance.integers(0, swell) + 128 * chance.integers(-1, 1, 8000)).astype(np.uint8)
        self._audio = self._audio.reshape(50, 160)
        self._opus = _opus_payloads() if load.opus else []

    def send(self, leg: NDArray[np.int64], frame: NDArray[np.int64]) -> int:
        count, data = len(leg), self._batch.data
        data[:count, 0] = 0x80
        data[:count, 1] = 0
        data.view(">u2")[:count, 1] = frame & 0xFFFF
        data.view(">u4")[:count, 1] = leg * 1000 + frame * 160
        data.view(">u4")[:count, 2] = leg + 1
        data[:count, 12:172] = self._audio[(frame + leg) % 50]
        sizes = np.full(count, 172)
        if self._opus:
            self._speak_opus(leg, frame, sizes)
        if self._load.key_frames:
            self._press(leg, frame, sizes)
        if self._seal is not None:
            for index, size in enumerate(sizes.tolist()):
                sealed = self._seal(data[index, :size].tobytes())
                data[index, : len(sealed)] = np.frombuffer(sealed, np.uint8)
                sizes[index] = len(sealed)
        self._batch.name[:count] = self._names[leg]
        return self._batch.send(sizes)

    def _speak_opus(self, leg: NDArray[np.int64], frame: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        count, data = len(leg), self._batch.data
        data[:count, 1] = OPUS_TYPE
        data.view(">u4")[:count, 1] = leg * 1000 + frame * 960
        for index, turn in enumerate((frame % len(self._opus)).tolist()):
            payload = self._opus[turn]
            data[index, 12 : 12 + len(payload)] = np.frombuffer(payload, np.uint8)
            sizes[index] = 12 + len(payload)

    def _press(self, leg: NDArray[np.int64], frame: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        phase = phase_of(leg, frame, self._load.key_frames)
        pressed = frame - phase
        down = (phase < _KEY_FRAMES) & (pressed > _FIRST_KEY) & (pressed < self._last_frame)
        at = np.flatnonzero(down)
        data, leg, phase, pressed = self._batch.data, leg[at], phase[at], pressed[at]
        data[at, 1] = DTMF_TYPE
        data.view(">u4")[at, 1] = leg * 1000 + pressed * 160
        data[at, 12] = key_of(leg, pressed, self._load.key_frames)
        data[at, 13] = np.where(phase >= _KEY_FRAMES - 3, 0x80 | 10, 10)
        data.view(">u2")[at, 7] = np.minimum(phase + 1, _KEY_FRAMES - 2) * 160
        sizes[at] = 16


class Reader:
    """Takes what comes back, and remembers who sent it when."""

    def __init__(self, load: Load, batch: Batch) -> None:
        self._batch = batch
        self._leg = np.full(65536, -1)
        self._leg[load.targets] = np.arange(len(load.targets))
        self._legs: list[NDArray[np.int64]] = []
        self._at: list[NDArray[np.float64]] = []

    def read(self) -> int:
        count = self._batch.receive()
        if count:
            self._legs.append(self._leg[self._batch.ports(count)])
            self._at.append(self._batch.arrivals(count))
        return count

    def gaps(self, since: float) -> tuple[int, NDArray[np.float64]]:
        """How many came since a time, and the gaps between those of one stream, in milliseconds."""
        leg, at = np.concatenate([*self._legs, []]), np.concatenate([*self._at, []])
        wanted = (at >= since) & (leg >= 0)
        leg, at = leg[wanted], at[wanted]
        order = np.lexsort((at, leg))
        leg, at = leg[order], at[order]
        return len(at), np.diff(at)[leg[1:] == leg[:-1]] * 1000


class Rtcp:
    """A receiver report to every leg each five seconds, one leg after the other."""

    def __init__(self, load: Load, batch: Batch) -> None:
        self._batch = batch
        self._names = names([port + 1 for port in load.targets])
        self._sent = 0
        self.received = 0

    def run(self, elapsed: float) -> None:
        legs = len(self._names)
        due = int(elapsed / _RTCP_S * legs)
        leg = np.arange(self._sent, min(due, self._sent + BATCH)) % legs
        self._sent += len(leg)
        if len(leg):
            words = self._batch.data.view(">u4")
            words[: len(leg), 0], words[: len(leg), 1] = _EMPTY_REPORT, leg + 1
            self._batch.name[: len(leg)] = self._names[leg]
            self._batch.send(np.full(len(leg), 8))
        self.received += self._batch.receive()


def run(load: Load, rtp: Batch, incoming: Batch, control: Batch) -> Measured:
    schedule, writer, reader = Schedule(load), Writer(load, rtp), Reader(load, incoming)
    reports = Rtcp(load, control) if load.rtcp else None
    position, late, sent = 0, [], 0
    start, wall = time.monotonic() + 0.1, time.time() + 0.1
    while (elapsed := time.monotonic() - start) < load.seconds + load.jitter_ms / 1000 + 0.1:
        until = min(int(np.searchsorted(schedule.due, elapsed)), position + BATCH)
        if until > position:
            late.append(elapsed - schedule.due[position])
            sent += writer.send(schedule.leg[position:until], schedule.frame[position:until])
            position = until
        if reports is not None and elapsed > 0:
            reports.run(elapsed)
        if not reader.read() and position < len(schedule.due) and schedule.due[position] > elapsed + _IDLE_S:
            time.sleep(_IDLE_S)
    received, gaps = reader.gaps(wall + _WARM_UP_S)
    p50, p99 = np.percentile(gaps, [50, 99]) if len(gaps) else (math.nan, math.nan)
    worst = float(gaps.max()) if len(gaps) else math.nan
    late_ms = float(np.percentile(late, 99) * 1000)
    return Measured(
        sent, received, reports.received if reports else 0, float(p50), float(p99), worst, late_ms
    )


def main() -> None:
    rtp, rtcp = open_socket(), open_socket(buffer=1 << 20)
    ports = Ports(rtp.getsockname()[1], rtcp.getsockname()[1])
    print(msgspec.json.encode(ports).decode(), flush=True)
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    measured = run(load, Batch(rtp), Batch(rtp), Batch(rtcp))
    print(msgspec.json.encode(measured).decode(), flush=True)


if __name__ == "__main__":
    main()
