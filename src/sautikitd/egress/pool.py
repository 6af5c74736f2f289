"""Connections by host: made to checked addresses, kept for a while, at most so many at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from sautikitd.egress.connecting import Connector
from sautikitd.egress.connection import Connection

KEPT_S = 15.0
"""How long a connection is kept without a request. A server's shorter `Keep-Alive: timeout` goes before."""

MOST_IDLE = 2_000
_SWEEP_S = 5.0


class Host(NamedTuple):
    """Where connections are shared: `name` in ASCII or an address, `tls` by its scheme."""

    name: str
    port: int
    tls: bool


class _Lane:
    """The connections of one host: how many are in use, those that rest, those who wait for one."""

    __slots__ = ("idle", "used", "waiting")

    def __init__(self) -> None:
        self.used = 0
        self.idle: list[Connection] = []
        self.waiting: deque[asyncio.Future[None]] = deque()


class ConnectionPool:
    """`per_host` 0: no limit. A host's limit holds up requests to that host alone."""

    def __init__(self, connector: Connector, *, per_host: int) -> None:
        self._connector = connector
        self._per_host = per_host
        self._lanes: dict[Host, _Lane] = {}
        self._resting = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._open = True

    async def take(self, host: Host, connect_s: float, *, fresh: bool = False) -> Connection:
        """A connection for one request; hand it to `give_back`, whatever becomes of it. `fresh`: none that was kept."""
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = _Lane()
        if self._per_host and lane.used >= self._per_host:
            await self._turn(host, lane)
        else:
            lane.used += 1
        now = time.monotonic()
        while lane.idle and not fresh:
            kept = lane.idle.pop()
            self._resting -= 1
            if kept.usable(now):
                return kept
            kept.close()
        try:
            return await self._connector.connect(host.name, host.port, tls=host.tls, within_s=connect_s)
        except BaseException:
            self._release(host, lane)
            raise

    def give_back(self, host: Host, connection: Connection, headers: Mapping[str, str]) -> None:
        """`headers`: of the response, empty when there was none; the connection rests unless it was closed."""
        lane = self._lanes[host]
        seconds = _kept_for(headers.get("keep-alive"))
        if self._open and seconds > 0 and not connection.closed and self._resting < MOST_IDLE:
            connection.rest(seconds)
            lane.idle.append(connection)
            self._resting += 1
            if self._sweeping is None:
                self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
        else:
            connection.close()
        self._release(host, lane)

    def close(self) -> None:
        """Ends all that rest; those in use end with their request."""
        self._open = False
        if self._sweeping is not None:
            self._sweeping.cancel()
        for lane in self._lanes.values():
            for connection in lane.idle:
                connection.close()
            lane.idle.clear()

    async def _turn(self, host: Host, lane: _Lane) -> None:
        """Waits for a place that is handed on: `used` stays as it is."""
        place = asyncio.get_running_loop().create_future()
        lane.waiting.append(place)
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self._release(host, lane)  # the place had been handed on to us already
            else:
                with suppress(ValueError):  # it was passed over, or is still in the row
                    lane.waiting.remove(place)
            raise

    def _release(self, host: Host, lane: _Lane) -> None:
        while lane.waiting:
            place = lane.waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        lane.used -= 1
        if not lane.used and not lane.idle:
            del self._lanes[host]

    def _sweep(self) -> None:
        """Closes what has rested long enough, or was hung up on meanwhile."""
        now = time.monotonic()
        for host, lane in list(self._lanes.items()):
            kept = [connection for connection in lane.idle if connection.usable(now)]
            for connection in set(lane.idle).difference(kept):
                connection.close()
            self._resting -= len(lane.idle) - len(kept)
            lane.idle[:] = kept
            if not lane.used and not kept:
                del self._lanes[host]
        self._sweeping = (
            asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep) if self._resting else None
        )


def _kept_for(said: str | None) -> float:
    """Seconds to keep a connection: a second less than a server's `Keep-Alive: timeout=5` lets it live."""
    if said is None:
        return KEPT_S
    for part in said.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "timeout" and value.isascii() and value.isdigit():
            return min(KEPT_S, int(value[:9]) - 1.0)
    return KEPT_S
