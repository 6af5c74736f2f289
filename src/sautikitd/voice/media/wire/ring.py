"""io_uring (Linux, 5.18 and later) as far as the media plane needs it: one system call for a batch of sendmsg or
recvmsg on many sockets, none of which waits.

Each operation is laid out once, in memory that the kernel shares; a batch only lists the numbers of those to be
done. So a batch costs no allocation for each packet, and no copying. See io_uring(7) and linux/io_uring.h.
"""

import contextlib
import ctypes
import errno
import mmap
import os

import numpy as np
from numpy.typing import NDArray

SENDMSG = 9
RECVMSG = 10
_SEND = 26
_SETUP, _ENTER = 425, 426  # system calls, the same number on every architecture
_SUBMIT_ALL = 1 << 7  # a bad operation does not keep those after it from being done
_ONE_THREAD = (
    1 << 12 | 1 << 13
)  # Linux 6.1: only one thread ever enters, and completions wait for it to do so
_GETEVENTS = 1
_OFFSET_RING, _OFFSET_OPERATIONS = 0, 0x10000000
_MSG_DONTWAIT = 0x40
_MOST = 32768

_OPERATION = np.dtype(
    {
        "names": ["code", "descriptor", "name", "address", "length", "message_flags", "user", "name_size"],
        "formats": ["u1", "<i4", "<u8", "<u8", "<u4", "<u4", "<u8", "<u2"],
        "offsets": [0, 4, 8, 16, 24, 28, 32, 44],
        "itemsize": 64,
    }
)
_COMPLETION = np.dtype([("user", "<u8"), ("result", "<i4"), ("flags", "<u4")])

# No call of ours waits, so the interpreter's lock is kept: another thread that took it meanwhile would hold up the tick.
_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] * 7


class NoRing(Exception):
    """This kernel has no io_uring, or does not let us use it."""


class Ring:
    """Room for `size` operations, each with a number below it, prepared by `prepare` and done by `run`."""

    def __init__(self, size: int) -> None:
        """Raises `NoRing`."""
        if size > _MOST:
            raise NoRing(f"{size} operations are more than the {_MOST} of one ring")
        told, self._descriptor = _set_up(size, _SUBMIT_ALL | _ONE_THREAD)
        self.sends_to = self._descriptor >= 0
        """Whether the kernel is of the age in which a plain send takes an address as well."""
        if not self.sends_to:
            told, self._descriptor = _set_up(size, _SUBMIT_ALL)
        if self._descriptor < 0:
            raise NoRing(os.strerror(ctypes.get_errno()))
        entries, completions = int(told[0]), int(told[1])
        queue, done = told[10:20].astype(int), told[20:30].astype(int)
        self._shared = self._map(max(queue[6] + 4 * entries, done[5] + 16 * completions), _OFFSET_RING)
        self._table = self._map(64 * entries, _OFFSET_OPERATIONS)
        ring = np.frombuffer(self._shared, np.uint8)
        self._operations = np.frombuffer(self._table, _OPERATION)
        self._tail = _words(ring, queue[1], 1)
        self._listed = _words(ring, queue[6], entries)
        self._done_head = _words(ring, done[0], 1)
        self._done_tail = _words(ring, done[1], 1)
        finished = ring[done[5] : done[5] + 16 * completions].view(_COMPLETION)
        self._users, self._results = finished["user"], finished["result"]
        self._mask, self._done_mask = entries - 1, completions - 1
        self._steps = np.arange(max(entries, completions))

    def _map(self, size: int, offset: int) -> mmap.mmap:
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        return mmap.mmap(
            self._descriptor, size, mmap.MAP_SHARED | mmap.MAP_POPULATE, protection, offset=offset
        )

    def prepare(self, number: int, code: int, descriptor: int, message: int) -> None:
        """Operation `number`: `SENDMSG` or `RECVMSG` on a file descriptor, with the msghdr at an address."""
        operation = self._operations[number]
        operation["code"], operation["descriptor"], operation["address"] = code, descriptor, message
        operation["length"], operation["message_flags"], operation["user"] = 1, _MSG_DONTWAIT, number
        operation["name"] = operation["name_size"] = 0

    def prepare_send(
        self, number: int, descriptor: int, data: tuple[int, int], name: tuple[int, int]
    ) -> None:
        """Operation `number`: sends `data` to `name`, each as its address in memory and its size. Only where
        `sends_to`: the kernel reads no msghdr and no iovec for each packet."""
        operation = self._operations[number]
        operation["code"], operation["descriptor"] = _SEND, descriptor
        operation["address"], operation["length"] = data
        operation["name"], operation["name_size"] = name
        operation["message_flags"], operation["user"] = _MSG_DONTWAIT, number

    def run(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Does these operations, each at most once; their numbers as they completed, and for each the bytes moved
        or a negative errno. Raises OSError when the kernel takes no more."""
        count = len(numbers)
        tail = int(self._tail[0])
        self._listed[(tail + self._steps[:count]) & self._mask] = numbers
        self._tail[0] = (tail + count) & 0xFFFFFFFF
        left = count
        while left:
            taken = _syscall(_ENTER, self._descriptor, left, left, _GETEVENTS, 0, 0)
            if taken >= 0:
                left -= taken
            elif ctypes.get_errno() != errno.EINTR:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        head = int(self._done_head[0])
        completed = (int(self._done_tail[0]) - head) & 0xFFFFFFFF
        slots = (head + self._steps[:completed]) & self._done_mask
        which = self._users.take(slots).view(np.int64)
        results = self._results.take(slots).astype(np.int64)
        self._done_head[0] = (head + completed) & 0xFFFFFFFF
        return which, results

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def _set_up(size: int, flags: int) -> tuple[NDArray[np.uint32], int]:
    """The struct io_uring_params as the kernel filled it, and the descriptor; below zero: refused."""
    told = np.zeros(30, np.uint32)
    told[2] = flags
    return told, _syscall(_SETUP, size, told.ctypes.data, 0, 0, 0, 0)


def _words(ring: NDArray[np.uint8], start: int, count: int) -> NDArray[np.uint32]:
    return ring[start : start + 4 * count].view(np.uint32)
