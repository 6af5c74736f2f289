"""The transport layer (RFC 3261 §18): UDP and TCP on one address, for all transactions."""

import asyncio
from collections.abc import Callable

import structlog

from sautikitd.voice.sip.address import unbracketed
from sautikitd.voice.sip.connections import IDLE_SECONDS, Address, ConnectionPool
from sautikitd.voice.sip.hops import Flow, Hop, Source, Transport
from sautikitd.voice.sip.wire import ViaHop

MAX_UDP_REQUEST = 1_300  # bytes, RFC 3261 §18.1.1
_BIND_ATTEMPTS = 20

log = structlog.get_logger(__name__)

Receive = Callable[[bytes, Source], None]
SendFailed = Callable[[OSError], None]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.strip(b"\r\n\x00"):  # keep-alives of NATed phones: nothing to read
            self._receive(data, Source(Transport.UDP, addr[0], addr[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()


class TransportLayer:
    """Sends bytes to hops and hands up what arrives. Binds UDP and TCP to the same host and port."""

    def __init__(self, receive: Receive, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._receive = receive
        self._pool = ConnectionPool(receive, idle_seconds=idle_seconds)
        self._udp: asyncio.DatagramTransport | None = None
        self._datagrams: _Datagrams | None = None
        self._server: asyncio.Server | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.bound: Address = ("", 0)

    @property
    def connections(self) -> int:
        return len(self._pool)

    async def start(self, bind: Address) -> None:
        """Binds; port 0 takes a port that is free for both transports. Raises `OSError`."""
        for attempt in range(_BIND_ATTEMPTS):
            try:
                await self._bind(bind)
            except OSError:
                await self._unbind()
                if bind[1] or attempt == _BIND_ATTEMPTS - 1:
                    raise
            else:
                return

    async def _bind(self, bind: Address) -> None:
        loop = asyncio.get_running_loop()
        self._udp, self._datagrams = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._receive), local_addr=bind
        )
        name = self._udp.get_extra_info("sockname")
        self.bound = (name[0], name[1])
        self._server = await loop.create_server(self._pool.make, bind[0], self.bound[1])

    async def _unbind(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._udp is not None and self._datagrams is not None:
            self._udp.close()
            await self._datagrams.closed.wait()
            self._udp = None

    async def stop(self) -> None:
        """Closes everything; the port is free when this returns."""
        server = self._server
        await self._unbind()
        for task in list(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._pool.close()
        if server is not None:
            await server.wait_closed()

    def choose(self, hop: Hop, size: int) -> Hop:
        """The hop with the transport that a request of so many bytes must take (RFC 3261 §18.1.1)."""
        if hop.transport is Transport.UDP and hop.allow_tcp and size > MAX_UDP_REQUEST:
            return Hop(host=hop.host, port=hop.port, transport=Transport.TCP)
        return hop

    def send(self, data: bytes, hop: Hop, failed: SendFailed, flow: Flow | None = None) -> None:
        """Sends to `hop` (an IP address by now), over `flow` if that is open. `failed` may be called later."""
        if flow is not None and flow.open:
            flow.write(data)
        elif hop.transport is Transport.UDP:
            self._send_datagram(data, hop, failed)
        elif connection := self._pool.find((hop.host, hop.port)):
            connection.write(data)
        else:
            task = asyncio.get_running_loop().create_task(self._connect_and_send(data, hop, failed))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _send_datagram(self, data: bytes, hop: Hop, failed: SendFailed) -> None:
        if self._udp is None or self._udp.is_closing():
            failed(OSError("transport is closed"))
            return
        try:
            self._udp.sendto(data, (unbracketed(hop.host), hop.port))
        except (OSError, ValueError) as error:  # ValueError: uvloop, for an address it cannot take
            failed(error if isinstance(error, OSError) else OSError(str(error)))

    async def _connect_and_send(self, data: bytes, hop: Hop, failed: SendFailed) -> None:
        try:
            connection = await self._pool.connect((unbracketed(hop.host), hop.port))
        except OSError as error:
            log.info("sip.connect_failed", hop=str(hop), error=str(error))
            failed(error)
        else:
            connection.write(data)


def response_hop(via: ViaHop, source: Source) -> Hop:
    """Where a response goes when its connection is gone or there is none (RFC 3261 §18.2.2, RFC 3581 §4)."""
    if source.transport is Transport.UDP and "rport" in via.params:
        return source.hop
    return Hop(host=source.host, port=via.port or 5060, transport=source.transport)
