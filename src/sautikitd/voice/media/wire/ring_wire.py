"""The wire by io_uring: a batch of any size, of any sockets, is one system call each way."""

import ipaddress
import socket
import struct
import sys
import time

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.rtp.latch import SocketAddress
from sautikitd.voice.media.wire.ring import RECVMSG, SENDMSG, NoRing, Ring
from sautikitd.voice.media.wire.sockets import DATAGRAM, RowIndex, SocketWire, Wire

_NAME = 28  # struct sockaddr_in6; sockaddr_in fills 16 of it, and zeros stand after
_NAME_WORDS = 4  # of 64 bits, so that two names compare in four steps
_CONTROL = 32  # a cmsghdr and a struct timespec
_MESSAGE = np.dtype(
    {
        "names": ["name", "name_size", "vector", "vectors", "control", "control_size"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8"],
        "offsets": [0, 8, 16, 24, 32, 40],
        "itemsize": 56,
    }
)


class RingWire:
    def __init__(self, leaving: NDArray[np.uint8]) -> None:
        """`leaving` must be one piece of memory. Raises `NoRing`."""
        capacity, size = leaving.shape
        self._capacity = capacity
        self._ring = Ring(2 * capacity)
        self.arrived = np.zeros((capacity, DATAGRAM), np.uint8)
        self._names = np.zeros((capacity, _NAME_WORDS), np.uint64)
        self._expected = np.zeros((capacity, _NAME_WORDS), np.uint64)
        self._targets = np.zeros((capacity, _NAME), np.uint8)
        self._control = np.zeros((capacity, _CONTROL // 8), np.int64)
        self._stamps = self._control[:, 2:]
        self._vectors = (_vectors(self.arrived, DATAGRAM), _vectors(leaving, size))
        self._incoming = _messages(self._names, self._vectors[0])
        self._incoming["control"] = _addresses(self._control)
        self._name_sizes, self._control_sizes = self._incoming["name_size"], self._incoming["control_size"]
        self._outgoing = _messages(self._targets, self._vectors[1])
        self._leaving = leaving  # held, because the kernel is told its address
        self._descriptors = np.full(capacity, -1)

    def add(self, row: int, made: socket.socket) -> None:
        descriptor = made.fileno()
        self._ring.prepare(row, RECVMSG, descriptor, self._incoming.ctypes.data + 56 * row)
        self._descriptors[row] = descriptor
        self.aim(row, None, None)

    def remove(self, row: int) -> None:
        for number in (row, self._capacity + row):
            self._ring.prepare(number, RECVMSG, -1, 0)
        self._descriptors[row] = -1

    def aim(self, row: int, source: SocketAddress | None, target: SocketAddress | None) -> None:
        self._expected[row] = np.frombuffer(_packed(source).ljust(8 * _NAME_WORDS, b"\0"), np.uint64)
        packed = _packed(target)
        self._targets[row] = np.frombuffer(packed, np.uint8)
        family = int.from_bytes(packed[:2], sys.byteorder)
        name_size = _NAME if family == socket.AF_INET6 else 16
        descriptor, number = int(self._descriptors[row]), self._capacity + row
        if self._ring.sends_to:
            data = self._leaving.ctypes.data + row * self._leaving.strides[0], self._leaving.shape[1]
            name = self._targets.ctypes.data + row * _NAME, name_size
            self._ring.prepare_send(number, descriptor, data, name)
        else:
            self._outgoing["name_size"][row] = name_size
            self._ring.prepare(number, SENDMSG, descriptor, self._outgoing.ctypes.data + 56 * row)

    def take(
        self, rows: RowIndex
    ) -> tuple[RowIndex, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        self._name_sizes[rows] = _NAME
        self._control_sizes[rows] = _CONTROL
        which, sizes = self._ring.run(rows)
        came = sizes >= 0  # else an ICMP error or a spurious wake-up: no packet
        if not came.all():
            which, sizes = which[came], sizes[came]
        stamps = self._stamps.take(which, axis=0)
        arrivals = stamps[:, 0] + stamps[:, 1] * 1e-9
        unstamped = self._control_sizes.take(which) < _CONTROL
        if unstamped.any():
            arrivals[unstamped] = time.time()
        apart = self._names.take(which, axis=0) ^ self._expected.take(which, axis=0)
        known = (apart[:, 0] | apart[:, 1] | apart[:, 2] | apart[:, 3]) == 0
        return which, sizes, arrivals, known

    def sender(self, row: int) -> SocketAddress:
        return _unpacked(self._names[row].tobytes()[:_NAME])

    def send(self, rows: RowIndex) -> None:
        self._ring.run(rows + self._capacity)

    def close(self) -> None:
        self._ring.close()


def _addresses(table: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Where each row of an array stands in memory."""
    return table.ctypes.data + np.arange(len(table), dtype=np.uint64) * np.uint64(table.strides[0])


def _vectors(table: NDArray[np.uint8], size: int) -> NDArray[np.uint64]:
    """A struct iovec for each row."""
    return np.stack([_addresses(table), np.full(len(table), size, np.uint64)], axis=1)


def _messages(names: NDArray[np.generic], vectors: NDArray[np.uint64]) -> NDArray[np.void]:
    """A struct msghdr for each row."""
    made = np.zeros(len(names), _MESSAGE)
    made["name"], made["vector"], made["vectors"] = _addresses(names), _addresses(vectors), 1
    return made


def _packed(address: SocketAddress | None) -> bytes:
    """The struct sockaddr of an address, zeros after it; all zeros for none."""
    if address is None:
        return bytes(_NAME)
    host, port, *rest = address
    parsed = ipaddress.ip_address(host.partition("%")[0])
    family = struct.pack("=H", socket.AF_INET6 if parsed.version == 6 else socket.AF_INET)
    if parsed.version == 4:
        return family + struct.pack("!H", port) + parsed.packed + bytes(20)
    flow, scope = rest if len(rest) == 2 else (0, 0)
    return family + struct.pack("!HI", port, flow) + parsed.packed + struct.pack("=I", scope)


def _unpacked(name: bytes) -> SocketAddress:
    (family,), (port,) = struct.unpack_from("=H", name), struct.unpack_from("!H", name, 2)
    if family == socket.AF_INET6:
        (flow,), (scope,) = struct.unpack_from("!I", name, 4), struct.unpack_from("=I", name, 24)
        return socket.inet_ntop(socket.AF_INET6, name[8:24]), port, flow, scope  # as `recvfrom` writes it
    return socket.inet_ntop(socket.AF_INET, name[4:8]), port


def open_wire(leaving: NDArray[np.uint8]) -> Wire:
    """The best wire that this kernel gives us."""
    try:
        return RingWire(leaving)
    except NoRing:
        return SocketWire(leaving)
