"""A far end for the tests: real UDP sockets, and its own reading and writing of RTP, RTCP and G.711.

It shares no code with the product, so that an error there cannot hide here.
"""

import asyncio
import math
import random
import socket
import struct
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
SILENT_CODE = {"PCMU": 0xFF, "PCMA": 0xD5}


def mu_law_to_linear(code: int) -> int:
    """G.711 by its definition: segment and step of the inverted code."""
    code = ~code & 0xFF
    magnitude = ((2 * (code & 15) + 33) << ((code >> 4) & 7)) - 33
    return -4 * magnitude if code & 0x80 else 4 * magnitude


def a_law_to_linear(code: int) -> int:
    code ^= 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return 8 * magnitude if code & 0x80 else -8 * magnitude


LINEAR = {
    "PCMU": np.array([mu_law_to_linear(code) for code in range(256)], np.float64),
    "PCMA": np.array([a_law_to_linear(code) for code in range(256)], np.float64),
}


def companded(samples: Samples, codec: str) -> bytes:
    """Each sample as the code whose value is nearest."""
    values = LINEAR[codec]
    order = np.argsort(values)
    steps = values[order]
    places = np.clip(np.searchsorted(steps, samples), 1, 255)
    nearer = np.where(samples - steps[places - 1] < steps[places] - samples, places - 1, places)
    return bytes(order[nearer].astype(np.uint8))


def sine(frequency: float, seconds: float, amplitude: float = 8000.0) -> Samples:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * 8000)) / 8000)


def level(samples: Samples, frequency: float) -> float:
    """The amplitude of one frequency in the samples."""
    if not len(samples):
        return 0.0
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / 8000)
    return float(2 * abs(np.sum(samples * window * turn)) / np.sum(window))


@dataclass
class Packet:
    at: float
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    source: tuple[str, int]


@dataclass
class Peer:
    """One far end: a pair of sockets on loopback, everything it received, and ways to send."""

    codec: str = "PCMU"
    payload_type: int = 0
    dtmf_type: int = 101
    ssrc: int = field(default_factory=lambda: random.getrandbits(32))
    sequence: int = field(default_factory=lambda: random.getrandbits(16))
    timestamp: int = field(default_factory=lambda: random.getrandbits(32))
    to: tuple[str, int] = ("127.0.0.1", 0)
    host: str = "127.0.0.1"
    packets: list[Packet] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rtp, self.rtcp = udp(self.host), udp(self.host)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.rtp, self._read)
        loop.add_reader(self.rtcp, self._read_rtcp)

    @property
    def port(self) -> int:
        port: int = self.rtp.getsockname()[1]
        return port

    @property
    def rtcp_port(self) -> int:
        port: int = self.rtcp.getsockname()[1]
        return port

    def _read(self) -> None:
        self._take(*self.rtp.recvfrom(4096))

    def _take(self, data: bytes, source: tuple[str, int]) -> None:
        first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        assert first == 0x80
        self.packets.append(
            Packet(time.monotonic(), second > 127, second & 127, sequence, timestamp, ssrc, data[12:], source)
        )

    def _read_rtcp(self) -> None:
        self.reports.append(self.rtcp.recv(4096))

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for made in (self.rtp, self.rtcp):
            loop.remove_reader(made)
            made.close()

    # Hearing

    @property
    def audio(self) -> list[Packet]:
        return [packet for packet in self.packets if packet.payload_type == self.payload_type]

    def heard(self) -> Samples:
        """All audio received so far, in order of arrival."""
        codes = b"".join(packet.payload for packet in self.audio)
        return LINEAR[self.codec][np.frombuffer(codes, np.uint8)]

    def recent(self, seconds: float) -> Samples:
        return self.heard()[-int(seconds * 8000) :]

    def presses(self) -> list[tuple[int, str]]:
        """(timestamp, key) of each telephone event received whose end was marked."""
        found: dict[int, str] = {}
        for packet in self.packets:
            if packet.payload_type == self.dtmf_type and packet.payload[1] & 0x80:
                found[packet.timestamp] = "0123456789*#ABCD"[packet.payload[0]]
        return list(found.items())

    # Saying

    def datagram(self, payload: bytes, *, payload_type: int | None = None, marker: bool = False) -> bytes:
        kind = self.payload_type if payload_type is None else payload_type
        header = struct.pack(
            "!BBHII",
            0x80,
            kind | (128 if marker else 0),
            self.sequence & 0xFFFF,
            self.timestamp & 0xFFFFFFFF,
            self.ssrc,
        )
        self.sequence += 1
        return header + payload

    def transmit(self, datagram: bytes) -> None:
        self.rtp.sendto(datagram, self.to)

    def frames(self, samples: Samples, size: int = 160) -> list[bytes]:
        """The samples as datagrams, in order."""
        codes = companded(samples, self.codec)
        made = []
        for start in range(0, len(codes) - size + 1, size):
            made.append(self.datagram(codes[start : start + size]))
            self.timestamp += size
        return made

    async def say(self, samples: Samples, size: int = 160) -> None:
        """Sends the samples in real time."""
        await self.pace(self.frames(samples, size), size / 8000)

    async def pace(self, datagrams: list[bytes], interval: float = 0.02) -> None:
        start = time.monotonic()
        for index, datagram in enumerate(datagrams):
            await asyncio.sleep(max(0.0, start + index * interval - time.monotonic()))
            self.transmit(datagram)

    def press(self, key: str, frames: int = 5) -> list[bytes]:
        """The datagrams of one key: updates, and the end three times."""
        code = "0123456789*#ABCD".index(key)
        made = []
        for index in range(frames + 3):
            end = 0x80 if index >= frames else 0
            duration = min(index + 1, frames) * 160
            payload = struct.pack("!BBH", code, end | 10, duration)
            made.append(self.datagram(payload, payload_type=self.dtmf_type, marker=index == 0))
        self.timestamp += (frames + 3) * 160
        return made


def udp(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.setblocking(False)
    return made


def decibels(amplitude: float, reference: float) -> float:
    return 20 * math.log10(max(amplitude, 1e-9) / reference)
