"""SIP over WebSocket (RFC 7118): browsers connect to us, and are spoken to over the connection they made."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

import msgspec
import structlog
from aiohttp import WSMsgType, web

from sautikitd.voice.sip.address import unmapped
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.listening import EVERYWHERE, listening_socket
from sautikitd.voice.sip.wire import MAX_MESSAGE

SUBPROTOCOL = "sip"
MAX_CONNECTIONS = 5_000
MAX_UNSENT = 256  # messages that a browser which does not read may leave with us
FIRST_MESSAGE_SECONDS = 30.0  # who opens a connection has something to say
HEARTBEAT_SECONDS = 25.0  # pings: a browser that is gone is noticed, and proxies keep the connection open
PING, PONG = b"\r\n\r\n", b"\r\n"

log = structlog.get_logger(__name__)

Address = tuple[str, int]
Receive = Callable[[bytes, Source], None]


class WebSocketOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen; with `context` over TLS. Port 0 takes one that is free.

    Of a connection from `proxies` the last entry of X-Forwarded-For is taken for its true sender.
    """

    host: str
    port: int
    context: ssl.SSLContext | None = None
    proxies: Sequence[IPv4Network | IPv6Network] = ()

    @property
    def transport(self) -> Transport:
        return Transport.WS if self.context is None else Transport.WSS


class WebSocketConnection:
    """One browser: a `Flow`. What is written goes out in order, as text unless the browser speaks binary."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(MAX_UNSENT)
        self.binary = False
        self.stuck = asyncio.Event()

    @property
    def open(self) -> bool:
        return not self._socket.closed and not self.stuck.is_set()

    def write(self, data: bytes) -> None:
        try:
            self._unsent.put_nowait(data)
        except asyncio.QueueFull:
            self.stuck.set()

    async def send(self) -> None:
        """Sends until cancelled, or the connection is gone."""
        while True:
            data = await self._unsent.get()
            try:
                if self.binary:
                    await self._socket.send_bytes(data)
                else:
                    await self._socket.send_str(data.decode())
            except UnicodeDecodeError:  # a body that is no text (RFC 7118 §4.2)
                await self._socket.send_bytes(data)
            except ConnectionError:
                return


class WebSocketServer:
    """Takes connections with the sub-protocol `sip` on any path, each message of which is one SIP message."""

    def __init__(self, options: WebSocketOptions, receive: Receive, on_lost: Callable[[Hop], None]) -> None:
        self._options = options
        self._receive = receive
        self._on_lost = on_lost
        self._connections: dict[Address, WebSocketConnection] = {}
        self._runner: web.ServerRunner | None = None
        self.port = 0

    def __len__(self) -> int:
        return len(self._connections)

    async def start(self) -> None:
        """Raises `OSError` when the port is taken."""
        runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), handle_signals=False, shutdown_timeout=1
        )
        await runner.setup()
        self._runner = runner
        options = self._options
        try:
            site: web.BaseSite
            if options.host == EVERYWHERE:
                site = web.SockSite(runner, listening_socket(options.port), ssl_context=options.context)
            else:
                site = web.TCPSite(runner, options.host, options.port, ssl_context=options.context)
            await site.start()
        except OSError:
            await self.stop()
            raise
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Closes every connection; the port is free when this returns."""
        for connection in list(self._connections.values()):
            connection.stuck.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def find(self, peer: Address) -> WebSocketConnection | None:
        connection = self._connections.get(peer)
        return connection if connection is not None and connection.open else None

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in (name.strip().lower() for name in offered.split(",")):
            return web.Response(
                status=426, text="SIP over WebSocket is spoken here.\n", headers={"Upgrade": "websocket"}
            )
        peer = self._peer_of(request)
        if peer is None or peer in self._connections or len(self._connections) >= MAX_CONNECTIONS:
            return web.Response(status=503, text="No room for another connection now.\n")
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_MESSAGE, compress=False
        )
        connection = self._connections[peer] = WebSocketConnection(socket)
        try:
            await socket.prepare(request)
            await self._converse(connection, socket, peer)
        finally:
            del self._connections[peer]
            self._on_lost(Hop(host=peer[0], port=peer[1], transport=self._options.transport))
        return socket

    async def _converse(
        self, connection: WebSocketConnection, socket: web.WebSocketResponse, peer: Address
    ) -> None:
        source = Source(self._options.transport, *peer, connection)
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._read(connection, socket, source), connection.send(), connection.stuck.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for problem in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(problem, Exception):
                    log.error("sip.websocket_failed", exc_info=problem)
            await socket.close()

    async def _read(
        self, connection: WebSocketConnection, socket: web.WebSocketResponse, source: Source
    ) -> None:
        patience: float | None = FIRST_MESSAGE_SECONDS
        while True:
            try:
                message = await socket.receive(timeout=patience)
            except TimeoutError:
                return
            if message.type is WSMsgType.TEXT:
                data = message.data.encode(errors="replace")
            elif message.type is WSMsgType.BINARY:
                data, connection.binary = message.data, True
            else:
                return
            if data.strip(b"\r\n"):
                patience = None
                self._receive(data, source)
            elif data == PING:
                connection.write(PONG)

    def _peer_of(self, request: web.BaseRequest) -> Address | None:
        """Who connects: the far end of the socket, or whom a proxy of ours names; the port tells connections apart."""
        name = request.transport.get_extra_info("peername") if request.transport else None
        if name is None:
            return None
        host, port = unmapped(str(name[0])), int(name[1])
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")[-1].strip()
        if forwarded and any(ip_address(host) in network for network in self._options.proxies):
            try:
                return str(ip_address(forwarded)), port
            except ValueError:
                log.warning("sip.forwarded_unread", proxy=host)
        return host, port
