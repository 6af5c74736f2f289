"""Two network namespaces and a bad network between them: packets lost, late, overtaken and doubled, by port.

Each namespace has a TUN device; this process carries the packets from one to the other, as badly as told. It does what
`tc netem` does, but on kernels without it as well, with another impairment for each stream, and from a seed, so that
a failure can be had again.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NEAR, FAR = "10.77.0.1", "10.77.0.2"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_libc = ctypes.CDLL(None, use_errno=True)


class NoNamespaces(Exception):
    """This machine does not let us make network namespaces or TUN devices; the message says what it refused."""


@dataclass(frozen=True)
class Impairment:
    """Shares are of packets, times in ms. The jitter is even, and lets packets overtake each other when it is more
    than their distance; `overtaken` packets are 30 ms later than their like."""

    loss: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    overtaken: float = 0.0
    doubled: float = 0.0


class Namespace:
    """A network namespace with one TUN device, `address` at its end and `other` beyond."""

    def __init__(self, address: str, other: str) -> None:
        """Raises `NoNamespaces`."""
        self._fault: Exception | None = None
        maker = threading.Thread(target=self._make, args=(address, other))
        maker.start()
        maker.join()
        if self._fault is not None:
            raise NoNamespaces(str(self._fault))

    def _make(self, address: str, other: str) -> None:
        """In a thread of its own, which is in the new namespace from then on, and takes it along when it ends."""
        try:
            if _libc.unshare(_CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
            self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.device, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN_NO_PI))
            for words in (
                ("link", "set", "lo", "up"),
                ("addr", "add", address, "peer", other, "dev", "tun0"),
                ("link", "set", "tun0", "up"),
            ):
                subprocess.run(["ip", *words], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self._fault = error

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets made and processes started meanwhile, in this thread, are in the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _libc.setns(self.namespace, _CLONE_NEWNET)
        try:
            yield
        finally:
            _libc.setns(home, _CLONE_NEWNET)
            os.close(home)

    def close(self) -> None:
        os.close(self.device)
        os.close(self.namespace)


class BadNetwork:
    def __init__(self) -> None:
        """Raises `NoNamespaces`."""
        self.near, self.far = Namespace(NEAR, FAR), Namespace(FAR, NEAR)
        self._impairments: dict[int, Impairment] = {}
        self._chance = random.Random(7)
        self._waiting: list[tuple[float, int, int, bytes]] = []  # when, in what order, to which device, what
        self._carried = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="bad network")
        self._thread.start()

    def impair(self, port: int, impairment: Impairment) -> None:
        """Both directions of the packets of a port of the near end."""
        self._impairments[port] = impairment

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.near.close()
        self.far.close()

    def _carry(self) -> None:
        with contextlib.suppress(OSError):
            # What this thread came too late for would all be taken at once, and be shuffled by its jitter.
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        across = {self.near.device: self.far.device, self.far.device: self.near.device}
        while not self._stopping.is_set():
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, _, device, packet = heapq.heappop(self._waiting)
                os.write(device, packet)
            wait = min(0.05, max(0.0, self._waiting[0][0] - now)) if self._waiting else 0.05
            for device in select.select(list(across), [], [], wait)[0]:
                self._take(os.read(device, 4096), across[device], time.monotonic())

    def _take(self, packet: bytes, device: int, now: float) -> None:
        if packet[0] >> 4 != 4 or packet[9] != 17:  # not UDP over IPv4: a neighbour's discovery
            return
        ports = struct.unpack_from("!HH", packet, 4 * (packet[0] & 15))
        bad = next((self._impairments[port] for port in ports if port in self._impairments), Impairment())
        chance = self._chance.random
        if chance() < bad.loss:
            return
        for _ in range(1 + (chance() < bad.doubled)):
            late = bad.delay + chance() * bad.jitter + (30 if chance() < bad.overtaken else 0)
            self._carried += 1
            heapq.heappush(self._waiting, (now + late / 1000, self._carried, device, packet))
