"""Many datagrams in one system call, of one socket: sendmmsg(2) and recvmmsg(2) over arrays laid out once.

So the load costs the machine little beside what it measures. Linux, 64 bit.
"""

import ctypes
import os
import socket

import numpy as np
from numpy.typing import NDArray

BATCH = 1024  # UIO_MAXIOV: the most that one call takes
_SIZE = 2048
_NAME = 16  # sockaddr_in
_CONTROL = 32  # one SCM_TIMESTAMPNS
_TIMESTAMPNS = 35
_RCVBUFFORCE = 33
_DONTWAIT = 0x40

_libc = ctypes.CDLL(None, use_errno=True)
_HEADER = np.dtype(
    [
        ("name", "<u8"),
        ("name_size", "<u4"),
        ("pad", "<u4"),
        ("vector", "<u8"),
        ("vectors", "<u8"),
        ("control", "<u8"),
        ("control_size", "<u8"),
        ("flags", "<u4"),
        ("pad2", "<u4"),
        ("size", "<u4"),
        ("pad3", "<u4"),
    ]
)


def open_socket(*, buffer: int = 32 << 20) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    try:
        made.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, buffer)
    except PermissionError:  # not root: what the system allows
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def names(ports: list[int]) -> NDArray[np.uint8]:
    """The socket address of each port of 127.0.0.1."""
    made = np.zeros((len(ports), _NAME), np.uint8)
    made.view("=u2")[:, 0] = socket.AF_INET
    made.view(">u2")[:, 1] = ports
    made[:, 4:8] = (127, 0, 0, 1)
    return made


class Batch:
    """Room for `BATCH` datagrams of one socket, one way."""

    def __init__(self, sock: socket.socket) -> None:
        self._descriptor = sock.fileno()
        self.data = np.zeros((BATCH, _SIZE), np.uint8)
        self.name = np.zeros((BATCH, _NAME), np.uint8)
        self.control = np.zeros((BATCH, _CONTROL), np.uint8)
        every = np.arange(BATCH, dtype=np.uint64)
        self._vectors = np.zeros((BATCH, 2), np.uint64)
        self._vectors[:, 0] = self.data.ctypes.data + every * _SIZE
        self._headers = np.zeros(BATCH, _HEADER)
        self._headers["name"] = self.name.ctypes.data + every * _NAME
        self._headers["vector"] = self._vectors.ctypes.data + every * 16
        self._headers["vectors"] = 1
        self._headers["control"] = self.control.ctypes.data + every * _CONTROL
        self._at = self._headers.ctypes.data

    def send(self, sizes: NDArray[np.int64]) -> int:
        """Sends the first `len(sizes)` datagrams; how many went."""
        count = len(sizes)
        self._vectors[:count, 1] = sizes
        self._headers["name_size"][:count] = _NAME
        self._headers["control_size"][:count] = 0
        sent: int = _libc.sendmmsg(self._descriptor, ctypes.c_void_p(self._at), count, _DONTWAIT)
        return max(0, sent)

    def receive(self) -> int:
        """How many came; they are at the start of `data`, with `sizes`, `ports` and `arrivals`."""
        self._vectors[:, 1] = _SIZE
        self._headers["name_size"] = _NAME
        self._headers["control_size"] = _CONTROL
        count: int = _libc.recvmmsg(self._descriptor, ctypes.c_void_p(self._at), BATCH, _DONTWAIT, None)
        if count < 0 and ctypes.get_errno() not in (11, 111):  # EAGAIN, ECONNREFUSED of an earlier one
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return max(0, count)

    def sizes(self, count: int) -> NDArray[np.int64]:
        return self._headers["size"][:count].astype(np.int64)

    def ports(self, count: int) -> NDArray[np.int64]:
        """Where each of the received came from."""
        return self.name[:count].view(">u2")[:, 1].astype(np.int64)

    def arrivals(self, count: int) -> NDArray[np.float64]:
        """When the kernel took each in, in Unix seconds."""
        pairs = self.control[:count, 16:32].copy().view(np.int64)
        made: NDArray[np.float64] = pairs[:, 0] + pairs[:, 1] * 1e-9
        return made
