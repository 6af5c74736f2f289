"""Which sockets have something to read: epoll(7), with the answer as an array of the owners' numbers."""

import ctypes
import platform
import select

import numpy as np
from numpy.typing import NDArray

# struct epoll_event is packed on x86-64 alone (linux/eventpoll.h).
_PACKED = platform.machine() in ("x86_64", "AMD64")
_EVENT = np.dtype(
    {
        "names": ["descriptor"],
        "formats": ["<i4"],
        "offsets": [4 if _PACKED else 8],
        "itemsize": 12 if _PACKED else 16,
    }
)
_wait = ctypes.PyDLL(None, use_errno=True).epoll_wait  # it never waits here: the interpreter's lock is kept
_wait.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]


class Readiness:
    """Of at most `most` sockets, each with a number of its owner's choice."""

    def __init__(self, most: int) -> None:
        self._epoll = select.epoll()
        self._events = np.zeros(max(1, most), _EVENT)
        self._descriptors = self._events["descriptor"]
        self._at = self._events.ctypes.data
        self._numbers = np.zeros(1024, np.int64)  # by file descriptor

    def add(self, descriptor: int, number: int) -> None:
        while descriptor >= len(self._numbers):
            self._numbers = np.concatenate([self._numbers, np.zeros_like(self._numbers)])
        self._numbers[descriptor] = number
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)

    def ready(self) -> NDArray[np.int64]:
        """The numbers of those that are ready now, without waiting."""
        count = _wait(self._epoll.fileno(), self._at, len(self._events), 0)
        numbers: NDArray[np.int64] = self._numbers[
            self._descriptors[: max(0, count)]
        ]  # -1: a signal came first
        return numbers

    def close(self) -> None:
        self._epoll.close()
