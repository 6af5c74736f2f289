"""TCP and TLS connections that carry SIP: framing, keep-alives, idle close, and a pool by far address."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from sautikitd.voice.sip.address import unmapped
from sautikitd.voice.sip.framing import BrokenStream, StreamFramer
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.tls import HANDSHAKE_SECONDS

MAX_CONNECTIONS = 2_000
MAX_UNSENT = 1_048_576  # bytes a peer that does not read may leave with us
IDLE_SECONDS = 900.0
CONNECT_SECONDS = 4.0
PING_SECONDS = 100.0  # RFC 5626 §4.4.1: less than 120
PONG_SECONDS = 10.0
PING, PONG = b"\r\n\r\n", b"\r\n"

Address = tuple[str, int]
Receive = Callable[[bytes, Source], None]


class StreamConnection(asyncio.Protocol):
    """One connection, either side's. Messages found in the stream go to `receive`.

    `name` is whom we connected to: a host name, or "" for an address; None when the far end connected. `trust` is who
    vouched for it.
    """

    def __init__(
        self, pool: "ConnectionPool", receive: Receive, name: str | None = None, trust: str = ""
    ) -> None:
        self.name = name
        self.trust = trust
        self._pool = pool
        self._receive = receive
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._next_ping: asyncio.TimerHandle | None = None
        self._pong_due: asyncio.TimerHandle | None = None
        self._pongs = False  # whether the far end has ever answered a ping, as not all do
        self.peer: Address = ("", 0)

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()
            return
        self._transport.write(data)
        self._rest()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it
        name = transport.get_extra_info("peername")
        if name is None or not self._pool.admit(self):
            self._transport.abort()
            return
        self.peer = (unmapped(name[0]), name[1])
        self._pool.add(self)
        self._rest()
        if self.name is not None:
            self._next_ping = asyncio.get_running_loop().call_later(self._pool.ping_seconds, self._ping)

    def _ping(self) -> None:
        """Keeps the way through NATs open, and finds out when the far end is gone (RFC 5626 §3.5.1).

        It is no use of the connection, so an idle one still closes.
        """
        if self._transport is None:
            return
        self._transport.write(PING)
        loop = asyncio.get_running_loop()
        self._next_ping = loop.call_later(self._pool.ping_seconds, self._ping)
        if self._pongs and self._pong_due is None:
            self._pong_due = loop.call_later(min(PONG_SECONDS, self._pool.ping_seconds / 2), self.abort)

    def data_received(self, data: bytes) -> None:
        if self._pong_due is not None:
            self._pong_due.cancel()
            self._pong_due = None
        if data == PONG and self._framer.between_messages:
            self._pongs = True
            return
        try:
            messages, pings = self._framer.feed(data)
        except BrokenStream:
            self.abort()
            return
        self._rest()
        for _ in range(min(pings, 10)):
            self.write(PONG)
        source = Source(self._pool.transport, *self.peer, self, self.name or "", self.trust)
        for message in messages:
            self._receive(message, source)

    def connection_lost(self, error: Exception | None) -> None:
        for timer in (self._idle, self._next_ping, self._pong_due):
            if timer is not None:
                timer.cancel()
        self._transport = None
        self._pool.drop(self)

    def _rest(self) -> None:
        """Starts the idle clock again; a connection that carried nothing for so long is closed."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._pool.idle_seconds, self.close)


class ConnectionPool:
    """Open connections by far address, reused for requests to that address (RFC 3261 §18).

    Over TLS only those that we made, since only there has the far end proved its name.
    """

    def __init__(
        self,
        receive: Receive,
        transport: Transport,
        on_lost: Callable[[Hop], None],
        *,
        idle_seconds: float = IDLE_SECONDS,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self.ping_seconds = ping_seconds
        self.transport = transport
        self.context: ssl.SSLContext | None = None
        """With whom a TLS connection is made; None makes none."""
        self.trusts: dict[str, ssl.SSLContext] = {}
        """The same for far ends that others vouch for, by `Hop.trust`."""
        self._receive = receive
        self._on_lost = on_lost
        self._by_peer: dict[Address, StreamConnection] = {}
        self._accepted: dict[Address, StreamConnection] = {}
        self._all: set[StreamConnection] = set()
        self._connecting: dict[tuple[Address, str, str], asyncio.Task[StreamConnection]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self.idle_seconds = idle_seconds

    def __len__(self) -> int:
        return len(self._all)

    def make(self) -> StreamConnection:
        return StreamConnection(self, self._receive)

    def admit(self, connection: StreamConnection) -> bool:
        return len(self._all) < MAX_CONNECTIONS

    def add(self, connection: StreamConnection) -> None:
        self._all.add(connection)
        if connection.name is None:
            self._accepted[connection.peer] = connection
        if self.transport is not Transport.TLS or connection.name is not None:
            self._by_peer[connection.peer] = connection
        self._empty.clear()

    def drop(self, connection: StreamConnection) -> None:
        self._all.discard(connection)
        known = False
        for connections in (self._by_peer, self._accepted):
            if connections.get(connection.peer) is connection:
                del connections[connection.peer]
                known = True
        if known:
            host, port = connection.peer
            self._on_lost(Hop(host=host, port=port, transport=self.transport))
        if not self._all:
            self._empty.set()

    def find(self, peer: Address, name: str = "", trust: str = "") -> StreamConnection | None:
        connection = self._by_peer.get(peer)
        if connection is None or not connection.open:
            return None
        proved = connection.name == name and connection.trust == trust
        return connection if self.transport is not Transport.TLS or proved else None

    def accepted(self, peer: Address) -> StreamConnection | None:
        """The open connection that a device made to us from there."""
        connection = self._accepted.get(peer)
        return connection if connection is not None and connection.open else None

    async def connect(self, peer: Address, name: str = "", trust: str = "") -> StreamConnection:
        """An open connection to `peer`, made if need be; callers at the same time share one attempt.

        Over TLS the far end has to prove `name`, or its address if that is "". Raises `OSError` (and so
        `TimeoutError` and `ssl.SSLError`) when the far end does not take it or is somebody else.
        """
        if connection := self.find(peer, name, trust):
            return connection
        key = peer, name, trust
        task = self._connecting.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._open(*key))
            self._connecting[key] = task
            task.add_done_callback(lambda _: self._connecting.pop(key, None))
        return await asyncio.shield(task)

    async def _open(self, peer: Address, name: str, trust: str) -> StreamConnection:
        loop = asyncio.get_running_loop()

        def make() -> StreamConnection:
            return StreamConnection(self, self._receive, name, trust)

        async with asyncio.timeout(CONNECT_SECONDS):
            if self.transport is not Transport.TLS:
                return (await loop.create_connection(make, *peer))[1]
            context = self.trusts.get(trust) if trust else self.context
            if context is None:
                raise OSError(
                    "TLS is not set up" if self.context is None else "nobody is known to vouch for it"
                )
            _, connection = await loop.create_connection(
                make,
                *peer,
                ssl=context,
                server_hostname=name or peer[0],
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        return connection

    async def close(self) -> None:
        for task in list(self._connecting.values()):
            task.cancel()
        for connection in list(self._all):
            connection.close()
        try:
            async with asyncio.timeout(1.0):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._all):
                connection.abort()
