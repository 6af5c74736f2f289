"""Where the time of a tick goes: `python bench/voice/anatomy.py ivr|bridge [--legs 1000] [--seconds 6]`.

One process, no clock: each tick is given what arrived in its 20 ms (1 % lost, 30 ms of jitter, keys), from real
sockets on loopback, and the CPU time of its parts is counted.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from datagrams import BATCH, Batch, open_socket
from load import DTMF_TYPE, Load, Schedule, Writer

from sautikitd.voice.media.plane import Plane
from sautikitd.voice.media.protocol import PcmFile, RemoteMedia, StartRecording
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.wire.ports import Ports

_FRAME_S = 0.02
_SETTLED = 100  # ticks that do not count
_HOUR_MS = 3_600_000


class Anatomy:
    """Counts CPU by part. Each part is a method; one within another counts in both."""

    def __init__(self, plane: Plane) -> None:
        self.spent: Counter[str] = Counter()
        receiver, wire, sender = plane._receiver, plane._wire, plane._sender
        for owner, method, part in (
            (receiver, "drain", "receive, of which:"),
            (receiver._readiness, "ready", "  which sockets (epoll)"),
            (wire, "take", "  taking the packets"),
            (receiver, "_batch", "  reading headers, keys, jitter"),
            (jitter, "play_out", "jitter buffer and decoding, of which:"),
            (jitter, "conceal", "  concealment"),
            (plane._rooms, "mix", "mixing"),
            (plane._speaking, "speak", "playing"),
            (plane.recorder, "record", "recording"),
            (sender, "prepare", "encoding and framing"),
            (plane, "_each_second", "RTCP, silence"),
            (sender, "send", "sending the packets"),
        ):
            setattr(owner, method, self._timed(getattr(owner, method), part))

    def _timed(self, work: Callable[..., Any], part: str) -> Callable[..., Any]:
        self.spent[part] = 0

        def timed(*given: Any, **named: Any) -> Any:
            before = time.thread_time_ns()
            try:
                return work(*given, **named)
            finally:
                self.spent[part] += time.thread_time_ns() - before

        return timed

    def show(self, whole: list[int]) -> None:
        """`whole` is the CPU of each tick in nanoseconds."""
        ticks, total = len(whole), sum(whole)
        for part, spent in self.spent.items():
            print(f"    {part:40}{spent / ticks / 1e6:8.2f} ms{100 * spent / total:7.1f} %")


async def fill(plane: Plane, what: str, legs: int, folder: Path, far: tuple[int, int]) -> list[int]:
    """Opens the legs and gives them work; their ports."""
    ports = []
    for index in range(legs):
        leg = str(index)
        ports.append(plane.open_leg(leg).rtp_port)
        remote = RemoteMedia(
            address="127.0.0.1", rtp_port=far[0], rtcp_port=far[1], dtmf_payload_type=DTMF_TYPE
        )
        plane.configure_leg(leg, remote)
        if what == "bridge":
            plane.join(leg, f"room-{index // 2}", muted=False, deaf=False)
        else:
            prompt = folder / f"prompt{index % 8}.pcm"
            if not prompt.exists():
                (8000 * np.sin(np.arange(80_000) * (0.3 + 0.01 * (index % 8)))).astype("<i2").tofile(prompt)
            await plane.play(leg, "p", [PcmFile(path=str(prompt))], 1000)
        if what != "bridge" or index % 2 == 0:
            await plane.record(_order(leg, folder, 2 if what == "bridge" else 1))
    return ports


def _order(leg: str, folder: Path, channels: int) -> StartRecording:
    return StartRecording(
        leg_id=leg,
        recording_id=leg,
        path=str(folder / f"{leg}.wav"),
        channels=channels,
        max_ms=_HOUR_MS,
        silence_ms=None,
        trim_silence=False,
        include_sent=False,
    )


class Network:
    """Gives each tick what arrived since the last, and takes what comes back."""

    def __init__(self, load: Load, sending: Batch, coming: Batch) -> None:
        self._schedule = Schedule(load)
        self._writer = Writer(load, sending)
        self._coming = coming
        self._position = 0

    def deliver(self, until_s: float) -> None:
        due = int(np.searchsorted(self._schedule.due, until_s))
        while self._position < due:
            part = slice(self._position, min(due, self._position + BATCH))
            self._writer.send(self._schedule.leg[part], self._schedule.frame[part])
            self._position = part.stop
        while self._coming.receive():
            pass


async def dissect(what: str, legs: int, seconds: float, folder: Path) -> None:
    plane = Plane(Ports("127.0.0.1", 0, 0), lambda _: None, capacity=legs, silent_after_s=60)
    with open_socket() as far, open_socket(buffer=1 << 20) as control:
        ports = await fill(plane, what, legs, folder, (far.getsockname()[1], control.getsockname()[1]))
        load = Load(targets=ports, seconds=seconds, loss=0.01, jitter_ms=30, key_frames=20 * (what == "ivr"))
        network, anatomy = Network(load, Batch(far), Batch(far)), Anatomy(plane)
        gc.collect()
        gc.freeze()
        gc.disable()
        whole: list[int] = []
        for tick in range(int(seconds / _FRAME_S)):
            network.deliver((tick + 1) * _FRAME_S)
            if tick == _SETTLED:
                anatomy.spent = Counter(dict.fromkeys(anatomy.spent, 0))
            before = time.thread_time_ns()
            plane.prepare()
            plane.send()
            if tick >= _SETTLED:
                whole.append(time.thread_time_ns() - before)
            await asyncio.sleep(0)
        mean, most = np.mean(whole) / 1e6, np.percentile(whole, 99) / 1e6
        print(
            f"{legs} legs, {what}: a tick takes {mean:.2f} ms of CPU, p99 {most:.2f}; {mean / _FRAME_S / 10:.0f} % of a core"
        )
        anatomy.show(whole)
        await plane.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of a tick goes")
    parser.add_argument("what", choices=["ivr", "bridge"])
    parser.add_argument("--legs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(dissect(options.what, options.legs, options.seconds, Path(folder)))


if __name__ == "__main__":
    main()
