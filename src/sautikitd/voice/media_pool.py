"""The media processes of a voice node: legs spread over them, one that dies replaced."""

import asyncio
import os
from collections.abc import Callable

import structlog

from sautikitd.voice.media.client import MediaClient, MediaLost

log = structlog.get_logger(__name__)


_LEGS_IN_COMFORT = 500


def processes_for(calls: int, cores: int | None = None) -> int:
    """How many media processes carry so many calls of two legs each: 500 legs take one process about half a core,
    which leaves it room for bursts; more processes than cores would only wait for each other."""
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, -(-2 * calls // _LEGS_IN_COMFORT)))


class MediaPool:
    """`size` processes, sharing `port_range` (inclusive; (0, 0) leaves ports to the system) in equal parts."""

    def __init__(self, *, bind_address: str, port_range: tuple[int, int], size: int = 1) -> None:
        self._bind_address = bind_address
        self._ranges = _shares(port_range, size)
        self._clients: dict[int, MediaClient] = {}
        self._on_lost: Callable[[MediaClient], None] = lambda _: None
        self._respawning: set[asyncio.Task[None]] = set()
        self._closing = False
        self._next = 0

    async def start(self, on_lost: Callable[[MediaClient], None]) -> None:
        self._on_lost = on_lost
        await asyncio.gather(*(self._spawn(index) for index in range(len(self._ranges))))

    async def close(self) -> None:
        self._closing = True
        for task in self._respawning:
            task.cancel()
        await asyncio.gather(*self._respawning, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    @property
    def clients(self) -> list[MediaClient]:
        return list(self._clients.values())

    def pick(self) -> MediaClient:
        """The process with the fewest legs, of several the next in turn. Raises `MediaLost` while all of them are
        being replaced."""
        if not self._clients:
            raise MediaLost("no media process is up")
        self._next += 1
        turn = self._next % len(self._clients)
        clients = self.clients[turn:] + self.clients[:turn]
        return min(clients, key=lambda client: client.legs)

    async def _spawn(self, index: int) -> None:
        client = await MediaClient.spawn(bind_address=self._bind_address, port_range=self._ranges[index])
        self._clients[index] = client
        client.on_lost(lambda: self._replace(index, client))

    def _replace(self, index: int, client: MediaClient) -> None:
        del self._clients[index]
        log.error("voice.media_lost", pid=client.pid)
        self._on_lost(client)
        if not self._closing:
            task = asyncio.ensure_future(self._spawn(index))
            self._respawning.add(task)
            task.add_done_callback(self._respawning.discard)


def _shares(port_range: tuple[int, int], size: int) -> list[tuple[int, int]]:
    first, last = port_range
    if last == 0:
        return [(0, 0)] * size
    each = (last - first + 1) // size // 2 * 2
    return [(first + index * each, first + (index + 1) * each - 1) for index in range(size)]
