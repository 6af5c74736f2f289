"""The transport layer (RFC 3261 §18): UDP and TCP on one address, TLS and WebSockets beside them, for all transactions."""

import asyncio
import ssl
from collections.abc import Callable, Sequence

import structlog

from sautikitd.voice.sip.address import unbracketed, unmapped
from sautikitd.voice.sip.connections import IDLE_SECONDS, PING, Address, ConnectionPool
from sautikitd.voice.sip.hops import Flow, Hop, Source, Transport
from sautikitd.voice.sip.listening import place_of, sendable
from sautikitd.voice.sip.tls import HANDSHAKE_SECONDS, TlsOptions
from sautikitd.voice.sip.websocket import WebSocketOptions, WebSocketServer
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
            self._receive(data, Source(Transport.UDP, unmapped(addr[0]), addr[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()


class TransportLayer:
    """Sends bytes to hops and hands up what arrives. Binds UDP and TCP to the same host and port."""

    def __init__(self, receive: Receive, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._receive = receive
        self._tcp = ConnectionPool(receive, Transport.TCP, self._lost, idle_seconds=idle_seconds)
        self._tls = ConnectionPool(receive, Transport.TLS, self._lost, idle_seconds=idle_seconds)
        self._udp: asyncio.DatagramTransport | None = None
        self._datagrams: _Datagrams | None = None
        self._servers: list[asyncio.Server] = []
        self._websockets: dict[Transport, WebSocketServer] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._tls_options: TlsOptions | None = None
        self._shown: list[ssl.SSLContext] = []
        self._shown_as_of: tuple[int, ...] = ()
        self.bound: Address = ("", 0)
        self.bound_tls: int | None = None
        self.on_connection_lost: Callable[[Hop], None] = lambda _: None
        """Told of the far address of a connection that is gone, whoever closed it."""

    @property
    def connections(self) -> int:
        return len(self._tcp) + len(self._tls) + sum(map(len, self._websockets.values()))

    def _lost(self, hop: Hop) -> None:
        self.on_connection_lost(hop)

    async def start(
        self, bind: Address, tls: TlsOptions | None = None, websockets: Sequence[WebSocketOptions] = ()
    ) -> None:
        """Binds; port 0 takes a port that is free for both transports. Raises `OSError`."""
        await self._start_plain(bind)
        try:
            if tls is not None:
                await self._start_tls(bind[0], tls)
            for options in websockets:
                server = WebSocketServer(options, self._receive, self._lost)
                await server.start()
                self._websockets[options.transport] = server
                if options.context is not None:
                    self._shown.append(options.context)
        except OSError:
            await self.stop()
            raise

    def bound_websocket(self, transport: Transport) -> int | None:
        """The port that WebSockets of this kind come to; None where there is none."""
        server = self._websockets.get(transport)
        return None if server is None else server.port

    async def _start_tls(self, host: str, tls: TlsOptions) -> None:
        self._tls_options = tls
        self._tls.context = tls.client_context()
        if (context := tls.server_context()) is not None:
            self._shown.append(context)
            self._shown_as_of = tls.written_at()
            server = await asyncio.get_running_loop().create_server(
                self._tls.make,
                **place_of(host, tls.port),
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
            self._servers.append(server)
            self.bound_tls = int(server.sockets[0].getsockname()[1])

    def renew_certificate(self) -> bool:
        """Shows a certificate that was written anew; whether there was one. Raises `OSError`: the old one stays."""
        if self._tls_options is None or self._tls_options.certificate is None:
            return False
        written_at = self._tls_options.written_at()
        if written_at == self._shown_as_of:
            return False
        self._shown_as_of = written_at  # files that do not fit together are not read again until they change
        self._tls_options.show_in(self._shown)
        return True

    def trust(self, authorities: dict[str, str]) -> None:
        """PEM certificates by the names that `Hop.trust` has for them, instead of those given before.

        Raises `ssl.SSLError` for what is no certificate.
        """
        known = self._tls.trusts
        options = self._tls_options or TlsOptions()
        self._tls.trusts = {
            name: known.get(name) or options.client_context(pem) for name, pem in authorities.items()
        }

    async def _start_plain(self, bind: Address) -> None:
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
        self._servers.append(await loop.create_server(self._tcp.make, **place_of(bind[0], self.bound[1])))

    async def _unbind(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._udp is not None and self._datagrams is not None:
            self._udp.close()
            await self._datagrams.closed.wait()
            self._udp = None

    async def stop(self) -> None:
        """Closes everything; the port is free when this returns."""
        servers = list(self._servers)
        await self._unbind()
        for task in list(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await asyncio.gather(
            self._tcp.close(), self._tls.close(), *(server.stop() for server in self._websockets.values())
        )
        for server in servers:
            await server.wait_closed()

    def choose(self, hop: Hop, size: int) -> Hop:
        """The hop with the transport that a request of so many bytes must take (RFC 3261 §18.1.1)."""
        if hop.transport is Transport.UDP and hop.allow_tcp and size > MAX_UDP_REQUEST:
            return Hop(host=hop.host, port=hop.port, transport=Transport.TCP, name=hop.name)
        return hop

    def send(self, data: bytes, hop: Hop, failed: SendFailed, flow: Flow | None = None) -> None:
        """Sends to `hop` (an IP address by now), over `flow` if that is open. `failed` may be called later."""
        if flow is not None and flow.open:
            flow.write(data)
        elif hop.transport is Transport.UDP:
            self._send_datagram(data, hop, failed)
        elif hop.fixed or hop.transport.websocket:
            self._send_back(data, hop, failed)
        elif connection := self._pool(hop).find((unbracketed(hop.host), hop.port), hop.name, hop.trust):
            connection.write(data)
        else:
            task = asyncio.get_running_loop().create_task(self._connect_and_send(data, hop, failed))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _send_back(self, data: bytes, hop: Hop, failed: SendFailed) -> None:
        """Over a connection that the far end made: nobody could connect to it (RFC 7118 §5, RFC 5626 §5.3)."""
        peer = unbracketed(hop.host), hop.port
        connection: Flow | None = None
        if not hop.transport.websocket:
            connection = self._pool(hop).accepted(peer)
        elif (server := self._websockets.get(hop.transport)) is not None:
            connection = server.find(peer)
        if connection is None:
            failed(OSError("the device's connection is gone"))
        else:
            connection.write(data)

    def keep_alive(self, hop: Hop) -> None:
        """An empty datagram to `hop`, which keeps a NAT's binding to us; connections see to themselves."""
        if hop.transport is Transport.UDP:
            self._send_datagram(PING, hop, lambda _: None)

    def _pool(self, hop: Hop) -> ConnectionPool:
        return self._tls if hop.transport is Transport.TLS else self._tcp

    def _send_datagram(self, data: bytes, hop: Hop, failed: SendFailed) -> None:
        if self._udp is None or self._udp.is_closing():
            failed(OSError("transport is closed"))
            return
        try:
            host = sendable(unbracketed(hop.host), over_six=":" in self.bound[0])
            self._udp.sendto(data, (host, hop.port))
        except (OSError, ValueError) as error:  # ValueError: uvloop, for an address it cannot take
            failed(error if isinstance(error, OSError) else OSError(str(error)))

    async def _connect_and_send(self, data: bytes, hop: Hop, failed: SendFailed) -> None:
        try:
            peer = unbracketed(hop.host), hop.port
            connection = await self._pool(hop).connect(peer, hop.name, hop.trust)
        except OSError as error:
            log.info("sip.connect_failed", hop=str(hop), error=str(error))
            failed(error)
        else:
            connection.write(data)


def response_hop(via: ViaHop, source: Source) -> Hop:
    """Where a response goes when its connection is gone or there is none (RFC 3261 §18.2.2, RFC 3581 §4)."""
    if source.transport is Transport.UDP and "rport" in via.params:
        return source.hop
    return Hop(host=source.host, port=via.port or source.transport.default_port, transport=source.transport)
