"""Connections kept at hand between two uses.

asyncpg's pool gives a connection back through a shielded task, a future and a timer: 40 µs of a read that takes 140.
Here one whose use ended well goes on a stack and off it again. Whatever is in doubt takes the pool's own way, which
waits for a query that is being cancelled, rolls back, and replaces what is broken. What is lent is the connection
itself: the proxy that the pool gives out for it looks up each method anew.
"""

import asyncio
import time
from collections import deque
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, TypeAlias

Connection: TypeAlias = Any
_IDLE_SECONDS = 60.0


class Lending:
    """At most the pool's maximum at once; who comes then waits his turn. The one used last is lent first."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free_places: int = pool.get_max_size()
        self._idle: list[tuple[Connection, float]] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closing = False

    def lend(self) -> AbstractAsyncContextManager[Connection]:
        return _Loan(self)

    async def close(self) -> None:
        """What is lent still comes back by itself."""
        self._closing = True
        while self._idle:
            await self._back_to_pool(self._idle.pop()[0])

    async def take(self) -> Connection:
        while self._idle:
            connection, _ = self._idle.pop()
            if _is_sound(connection):
                return connection
            await self._give_up(connection)
        if self._free_places:
            self._free_places -= 1
            return await self._connected()
        handed = await self._turn()
        return await self._connected() if handed is None else handed

    async def give(self, connection: Connection, *, well: bool) -> None:
        """`well`: its use ended without an exception."""
        if not well or self._closing or not _is_sound(connection):
            await self._give_up(connection)
            return
        if self._hand_on(connection):
            return
        now = time.monotonic()
        self._idle.append((connection, now))
        if now - self._idle[0][1] > _IDLE_SECONDS:
            await self._give_up(self._idle.pop(0)[0])

    async def _connected(self) -> Connection:
        """A connection of the pool's for a place that is ours."""
        try:
            proxy = await self._pool.acquire()
            return proxy._con
        except BaseException:
            self._free_place()
            raise

    async def _turn(self) -> Connection | None:
        """A connection that another is done with, or None: a place for one."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came at the same moment: the next one has it
                handed = turn.result()
                if handed is None:
                    self._free_place()
                elif not self._hand_on(handed):
                    self._idle.append((handed, time.monotonic()))
            raise

    async def _give_up(self, connection: Connection) -> None:
        try:
            await self._back_to_pool(connection)
        finally:
            self._free_place()

    async def _back_to_pool(self, connection: Connection) -> None:
        """One that broke has been taken from us by the pool already, and has no proxy."""
        if connection._proxy is not None:
            await self._pool.release(connection._proxy)

    def _free_place(self) -> None:
        if not self._hand_on(None):
            self._free_places += 1

    def _hand_on(self, connection: Connection | None) -> bool:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False


def _is_sound(connection: Connection) -> bool:
    """Whether the next one can use it as it is."""
    return not connection.is_closed() and not connection.is_in_transaction()


class _Loan:
    __slots__ = ("_connection", "_lending")

    def __init__(self, lending: Lending) -> None:
        self._lending = lending

    async def __aenter__(self) -> Connection:
        self._connection = await self._lending.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lending.give(self._connection, well=kind is None)
