"""Taking and sending the datagrams of many sockets, one of each row at a time."""

import socket
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.rtp.latch import SocketAddress
from sautikitd.voice.media.rtp.stamps import arrival_of

DATAGRAM = 2048
_ANCILLARY = 64

RowIndex = NDArray[np.int64]


class Wire(Protocol):
    """Row `r` receives into `arrived[r]` and sends what stands in `leaving[r]`."""

    arrived: NDArray[np.uint8]

    def add(self, row: int, made: socket.socket) -> None:
        """From now on this socket is the row's."""
        ...

    def remove(self, row: int) -> None: ...

    def aim(self, row: int, source: SocketAddress | None, target: SocketAddress | None) -> None:
        """From whom the row expects packets, and to whom it sends."""
        ...

    def take(
        self, rows: RowIndex
    ) -> tuple[RowIndex, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """One datagram of each of `rows`, which are distinct. Of those that had one: the row, the size in bytes, the
        arrival in Unix seconds, and whether it came from the expected source."""
        ...

    def sender(self, row: int) -> SocketAddress:
        """Where the row's last datagram came from."""
        ...

    def send(self, rows: RowIndex) -> None:
        """Sends what stands in `leaving` of each of `rows`. What the system refuses is lost, as on the network."""
        ...

    def close(self) -> None: ...


class SocketWire:
    """A system call for each datagram: for kernels that have nothing better."""

    def __init__(self, leaving: NDArray[np.uint8]) -> None:
        capacity = len(leaving)
        self.arrived = np.zeros((capacity, DATAGRAM), np.uint8)
        self._into = [[memoryview(row.data)] for row in self.arrived]
        self._out = [memoryview(row.data) for row in leaving]
        self._sockets: list[socket.socket | None] = [None] * capacity
        self._sources: list[SocketAddress | None] = [None] * capacity
        self._targets: list[SocketAddress | None] = [None] * capacity
        self._senders: list[SocketAddress] = [("", 0)] * capacity

    def add(self, row: int, made: socket.socket) -> None:
        self._sockets[row] = made
        self.aim(row, None, None)

    def remove(self, row: int) -> None:
        self._sockets[row] = None

    def aim(self, row: int, source: SocketAddress | None, target: SocketAddress | None) -> None:
        self._sources[row], self._targets[row] = source, target

    def take(
        self, rows: RowIndex
    ) -> tuple[RowIndex, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        taken: list[int] = []
        sizes: list[int] = []
        arrivals: list[float] = []
        known: list[bool] = []
        now = time.time()
        for row in rows.tolist():
            made = self._sockets[row]
            if made is None:
                continue
            try:
                size, extra, _, address = made.recvmsg_into(self._into[row], _ANCILLARY)
            except OSError:  # an ICMP error or a spurious wake-up: no packet
                continue
            taken.append(row)
            sizes.append(size)
            arrivals.append(arrival_of(extra[0][2]) if extra else now)
            self._senders[row] = address
            known.append(address == self._sources[row])
        return (
            np.array(taken, np.int64),
            np.array(sizes, np.int64),
            np.array(arrivals),
            np.array(known, np.bool_),
        )

    def sender(self, row: int) -> SocketAddress:
        return self._senders[row]

    def send(self, rows: RowIndex) -> None:
        for row in rows.tolist():
            made, target = self._sockets[row], self._targets[row]
            if made is None or target is None:
                continue
            try:
                made.sendto(self._out[row], target)
            except OSError:  # no route, no buffer: to the far end a lost packet, and RTCP will count it
                continue

    def close(self) -> None:
        self._sockets.clear()
