"""IVR legs on one core: each plays a file, is recorded, and is pressed a key each second.

    python bench/voice_media.py [--legs 100 400] [--seconds 5] [--loss 0] [--jitter-ms 0]

A sender process on the other core sends every leg G.711 at 50 packets a second and measures the gaps between the
packets it gets back. Beside it, in the same run, a bare uvloop relay (each packet sent back as it came, no work
done) with the same sender. CPU is in % of one core, of the process measured alone.
"""

import argparse
import asyncio
import json
import math
import os
import random
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import uvloop

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.protocol import DigitReceived, Event, PcmFile, RemoteMedia

_KEYS = "0123456789*#"
_DTMF_TYPE = 101
_KEY_FRAMES = 8


class Load(msgspec.Struct, frozen=True):
    """What the sender is to do: its own ports, and where each sends."""

    targets: list[int]
    seconds: float
    loss: float
    jitter_ms: float
    keys: bool


class Measured(msgspec.Struct, frozen=True):
    sent: int
    received: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    pressed: dict[int, str]


# The sender process


def make_sockets(count: int) -> list[socket.socket]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for one in made:
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
    return made


class Leg:
    """One stream: audio, and a key at the start of each second instead of it."""

    def __init__(self, index: int, made: socket.socket, target: int, load: Load) -> None:
        self.sock, self.target, self.load = made, ("127.0.0.1", target), load
        self.chance = random.Random(index)
        self.offset = self.chance.random() * 0.02
        self.ssrc, self.start = index + 1, index * 1000
        tone = 6000 * np.sin(2 * np.pi * 500 * np.arange(160) / 8000)
        self.audio = bytes((0x80 | (np.abs(tone).astype(np.int64) >> 9 & 0x7F)).astype(np.uint8))

    def packet(self, frame: int) -> bytes | None:
        """The datagram of this frame; None when the network loses it."""
        timestamp, kind, payload = self.start + frame * 160, 0, self.audio
        phase = (frame + self.ssrc * 7) % 50
        pressed = frame - phase
        if self.load.keys and pressed > 60 and phase < _KEY_FRAMES:
            end = 0x80 if phase >= _KEY_FRAMES - 3 else 0
            duration = min(phase + 1, _KEY_FRAMES - 2) * 160
            payload = struct.pack("!BBH", _KEYS.index(self.key(pressed)), end | 10, duration)
            timestamp, kind = self.start + pressed * 160, _DTMF_TYPE
        return self.wrap(frame, timestamp, kind, payload)

    def key(self, pressed: int) -> str:
        """The key that goes down at this frame."""
        return _KEYS[(pressed // 50 * 5 + self.ssrc) % len(_KEYS)]

    def presses(self) -> str:
        frames = range(61, int(self.load.seconds * 50))
        return "".join(self.key(frame) for frame in frames if (frame + self.ssrc * 7) % 50 == 0)

    def wrap(self, frame: int, timestamp: int, kind: int, payload: bytes) -> bytes | None:
        if self.chance.random() < self.load.loss:
            return None
        return struct.pack("!BBHII", 0x80, kind, frame & 0xFFFF, timestamp, self.ssrc) + payload


def sender() -> None:
    """Reads the number of sockets, tells their ports, reads the load, runs it, tells what was measured."""
    made = make_sockets(int(sys.stdin.readline()))
    print(json.dumps([one.getsockname()[1] for one in made]), flush=True)
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    legs = [
        Leg(index, one, target, load)
        for index, (one, target) in enumerate(zip(made, load.targets, strict=True))
    ]
    poll = select.epoll()
    by_descriptor = {one.fileno(): index for index, one in enumerate(made)}
    for one in made:
        poll.register(one.fileno(), select.EPOLLIN)
    spread = load.jitter_ms / 1000
    due = sorted(
        (leg.offset + frame * 0.02 + leg.chance.uniform(0, spread), index, frame)
        for index, leg in enumerate(legs)
        for frame in range(int(load.seconds * 50))
    )
    last: dict[int, float] = {}
    gaps: list[float] = []
    sent, position, start = 0, 0, time.monotonic() + 0.1
    end = start + load.seconds
    while (now := time.monotonic()) < end:
        while position < len(due) and start + due[position][0] <= now:
            _, index, frame = due[position]
            position += 1
            data = legs[index].packet(frame)
            if data is not None:
                legs[index].sock.sendto(data, legs[index].target)
                sent += 1
        for descriptor, _ in poll.poll(0.001, 4096):
            index = by_descriptor[descriptor]
            made[index].recv(2048)
            arrived = time.monotonic()
            if index in last and arrived > start + 1.0:  # the first second is for warming up
                gaps.append(arrived - last[index])
            last[index] = arrived
    milliseconds = np.array(gaps) * 1000 if gaps else np.array([math.nan])
    p50, p99 = np.percentile(milliseconds, [50, 99])
    pressed = {index: leg.presses() for index, leg in enumerate(legs)}
    measured = Measured(sent, len(gaps), float(p50), float(p99), float(milliseconds.max()), pressed)
    print(msgspec.json.encode(measured).decode(), flush=True)


# The relay, for comparison


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)  # type: ignore[attr-defined]  # a DatagramTransport


async def relay(count: int) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0)) for _ in range(count)]
    print(json.dumps([one.get_extra_info("sockname")[1] for one, _ in made]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


# The runs


class Sending:
    def __init__(self, process: asyncio.subprocess.Process, ports: list[int]) -> None:
        self._process = process
        self.ports = ports

    @classmethod
    async def start(cls, count: int) -> "Sending":
        process = await child("sender")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{count}\n".encode())
        return cls(process, json.loads(await process.stdout.readline()))

    async def run(self, load: Load) -> Measured:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(load) + b"\n")
        line = await self._process.stdout.readline()
        await self._process.wait()
        return msgspec.json.decode(line, type=Measured)


async def child(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 24
    )


async def run_with_cpu(sending: Sending, load: Load, pid: int) -> tuple[Measured, float]:
    """The sender's figures, and the CPU of the process with this id meanwhile, in % of a core."""
    before, start = cpu_seconds(pid), time.monotonic()
    measured = await sending.run(load)
    return measured, 100 * (cpu_seconds(pid) - before) / (time.monotonic() - start)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(work: str, legs: int, cpu: float, measured: Measured, digits: str) -> None:
    print(
        f"{work:<28}{legs:>6}{cpu:>8.1f}{measured.sent:>10}{measured.received:>10}"
        f"{measured.p50_ms:>9.2f}{measured.p99_ms:>9.2f}{measured.worst_ms:>9.2f}  {digits}",
        flush=True,
    )


async def measure_relay(legs: int, options: argparse.Namespace) -> None:
    sending, process = await Sending.start(legs), await child("relay", str(legs))
    assert process.stdout is not None
    assert process.stdin is not None
    targets = json.loads(await process.stdout.readline())
    load = Load(targets, options.seconds, 0.0, 0.0, keys=False)
    measured, cpu = await run_with_cpu(sending, load, process.pid)
    process.stdin.close()
    await process.wait()
    show("bare uvloop relay", legs, cpu, measured, "")


async def measure_ivr(legs: int, options: argparse.Namespace, folder: Path) -> None:
    prompt = folder / "prompt.pcm"
    (8000 * np.sin(2 * np.pi * 440 * np.arange(80_000) / 8000)).astype("<i2").tofile(prompt)
    sending = await Sending.start(legs)
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=legs)
    heard: Counter[tuple[int, str]] = Counter()
    order: dict[int, str] = dict.fromkeys(range(legs), "")

    def note(index: int, event: Event) -> None:
        if isinstance(event, DigitReceived):
            heard[index, event.digit] += 1
            order[index] += event.digit

    targets = []
    for index, port in enumerate(sending.ports):
        leg_id = str(index)
        local = await media.open_leg(leg_id, lambda event, index=index: note(index, event))  # type: ignore[misc]
        targets.append(local.rtp_port)
        remote = RemoteMedia(address="127.0.0.1", rtp_port=port, dtmf_payload_type=_DTMF_TYPE)
        await media.configure_leg(leg_id, remote)
        await media.play(leg_id, "p", [PcmFile(path=str(prompt))], loop=1000)
        await media.start_recording(leg_id, leg_id, folder / f"{leg_id}.wav", max_ms=3_600_000)
    load = Load(targets, options.seconds, options.loss / 100, options.jitter_ms, keys=True)
    measured, cpu = await run_with_cpu(sending, load, media.pid)
    await asyncio.sleep(0.3)
    # The last key may have been cut off by the end of the run; every other one must be there, once.
    wrong = sum(
        order[index] != keys and order[index] != keys[:-1] for index, keys in measured.pressed.items()
    )
    total = sum(len(keys) for keys in measured.pressed.values())
    stats = await media.stats("0")
    await media.close()
    verdict = f"{sum(heard.values())}/{total} keys, {wrong} legs wrong, MOS {stats.mos}"
    show("IVR leg (play+record+keys)", legs, cpu, measured, verdict)


async def compare(options: argparse.Namespace) -> None:
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}, cores: {os.cpu_count()}")
    heads = ("legs", "CPU %", "sent", "received", "p50 ms", "p99 ms", "worst")
    print(
        f"{'work':<28}{heads[0]:>6}{heads[1]:>8}{heads[2]:>10}{heads[3]:>10}"
        + "".join(f"{h:>9}" for h in heads[4:])
    )
    for legs in options.legs:
        with tempfile.TemporaryDirectory() as folder:
            await measure_relay(legs, options)
            await measure_ivr(legs, options, Path(folder))


def main() -> None:
    if sys.argv[1:2] == ["sender"]:
        return sender()
    if sys.argv[1:2] == ["relay"]:
        return uvloop.run(relay(int(sys.argv[2])))
    parser = argparse.ArgumentParser(description="IVR legs per core, beside a bare relay")
    parser.add_argument("--legs", type=int, nargs="+", default=[100])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--loss", type=float, default=0.0, help="of the packets sent to us, in %%")
    parser.add_argument("--jitter-ms", type=float, default=0.0)
    return asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
