"""One stream in the stream process: its WebSocket on one side, the media process on the other."""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable

import aiohttp

from sautikitd.egress.client import EgressClient, EgressLimits
from sautikitd.egress.failures import EgressFailure
from sautikitd.flow.streams import StreamEnd, StreamProtocol
from sautikitd.voice.media.forks import link as fork_link
from sautikitd.voice.media.forks.link import Kind
from sautikitd.voice.streams.dialect import Clear, Dialect, Leave, Mark, Message, NotUnderstood, Play
from sautikitd.voice.streams.drachtio import Drachtio
from sautikitd.voice.streams.link import Link
from sautikitd.voice.streams.orders import FromStreams, OpenStream, StreamEnded, StreamOpened
from sautikitd.voice.streams.outbox import Outbox
from sautikitd.voice.streams.twilio import Twilio

OPENING = EgressLimits(total_s=5.0, connect_s=3.0)
ATTEMPTS = 2

_LINK_S = 5.0
_GOODBYE_S = 1.0
_MOST_EARLY = 100
"""Messages of a server that speaks before the media process is there, some milliseconds later."""

_SEND_BUFFER = 32 * 1024  # bytes that the kernel may hold for a server that does not read

_NORMAL_CLOSURES = (
    aiohttp.WSCloseCode.OK,
    aiohttp.WSCloseCode.GOING_AWAY,
    1005,
)  # 1005: none given (RFC 6455)


class Stream:
    """`run` it once: from the upgrade request to the last event, which is always `StreamEnded`."""

    def __init__(self, order: OpenStream, egress: EgressClient, emit: Callable[[FromStreams], None]) -> None:
        self._order = order
        self._egress = egress
        self._emit = emit
        self._dialect = dialect_of(order)
        self._outbox = Outbox()
        self._link: Link | None = None
        self._early: deque[Play | Mark] = deque(maxlen=_MOST_EARLY)
        self._linked = asyncio.Event()
        self._stopped = asyncio.Event()
        self._sent = self._missed = self._overflowed = self._passed_over = 0
        self._first_fault = ""

    async def run(self) -> None:
        try:
            end, error = await self._run()
        except EgressFailure as failure:
            end, error = StreamEnd.FAILED, failure.message
        finally:
            if self._link is not None:
                self._overflowed += self._link.refused // 2
                self._link.close()
        self._emit(
            StreamEnded(
                stream_id=self._order.stream_id,
                end=end,
                error=error,
                sent=self._sent,
                dropped=self._outbox.dropped,
                missed=self._missed,
                overflowed=self._overflowed,
                passed_over=self._passed_over,
                first_fault=self._first_fault,
            )
        )

    def stop(self) -> None:
        self._stopped.set()

    def press(self, digit: str) -> None:
        self._outbox.put(self._dialect.digit(digit))

    def attach(self, connected: socket.socket) -> None:
        """The media process is there."""
        self._link = Link(connected, self)
        for wish in self._early:
            self._carry_out(self._link, wish)
        self._early.clear()
        self._linked.set()

    # What comes over the link

    def on_datagram(self, kind: int, datagram: bytes) -> None:
        match kind:
            case Kind.FRAME:
                frame = fork_link.read_frame(datagram)
                self._missed, self._overflowed = frame.missed, frame.overflowed
                self._outbox.put_frame(self._dialect.frame(frame))
            case Kind.PLAYED | Kind.CLEARED:
                name = datagram[1:].decode(errors="replace")
                self._outbox.put(self._dialect.played(name, cleared=kind == Kind.CLEARED))

    def on_link_end(self) -> None:
        """The leg has ended, and the call with it."""
        self.stop()

    # The socket

    async def _run(self) -> tuple[StreamEnd, str]:
        web = await self._opened()
        sending = asyncio.ensure_future(self._send(web))
        receiving = asyncio.ensure_future(self._receive(web))
        stopping = asyncio.ensure_future(self._until_stopped())
        try:
            for message in self._dialect.opening():
                self._outbox.put([message])
            self._emit(StreamOpened(stream_id=self._order.stream_id))
            work = {sending, receiving, stopping}
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                return receiving.result()
            if sending.done():
                return StreamEnd.FAILED, sending.result()
            await self._say_goodbye(sending)
            return StreamEnd.STOPPED, ""
        finally:
            for task in (sending, receiving, stopping):
                task.cancel()
            await asyncio.gather(sending, receiving, stopping, return_exceptions=True)
            with contextlib.suppress(TimeoutError):  # the closing handshake, with a server that may not read
                async with asyncio.timeout(_GOODBYE_S):
                    await web.close()

    async def _opened(self) -> aiohttp.ClientWebSocketResponse:
        """Tried twice, like a callback, where no connection was to be had. Raises `EgressFailure`."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                web = await self._egress.websocket(
                    self._order.url,
                    live=self._order.live,
                    headers=self._order.headers,
                    subprotocol=self._dialect.subprotocol,
                    limits=OPENING,
                )
            except EgressFailure as failure:
                if attempt == ATTEMPTS or not failure.is_connection_error:
                    raise
            else:
                _bound_send_buffer(web)
                return web
        raise AssertionError("every attempt returns or raises")

    async def _until_stopped(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINK_S):
                await self._linked.wait()
        if self._linked.is_set():
            await self._stopped.wait()

    async def _say_goodbye(self, sending: "asyncio.Task[str]") -> None:
        """A server that reads gets what waits and the last message; one that does not is not waited for."""
        self._outbox.put(self._dialect.closing())
        self._outbox.close()
        await asyncio.wait([sending], timeout=_GOODBYE_S)

    async def _send(self, web: aiohttp.ClientWebSocketResponse) -> str:
        """Until the outbox is closed, or the socket broke: then why."""
        try:
            while (messages := await self._outbox.next()) is not None:
                for message in messages:
                    await _send(web, message)
                self._sent += 1
        except (ConnectionError, aiohttp.ClientError) as error:
            return f"the connection broke: {str(error) or type(error).__name__}"
        return ""

    async def _receive(self, web: aiohttp.ClientWebSocketResponse) -> tuple[StreamEnd, str]:
        while True:
            message = await web.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                    if self._obey(message.data):
                        return StreamEnd.CLOSED, ""
                case aiohttp.WSMsgType.ERROR:
                    return StreamEnd.FAILED, f"the connection broke: {message.data}"
                case _:
                    return self._closing(web)

    def _closing(self, web: aiohttp.ClientWebSocketResponse) -> tuple[StreamEnd, str]:
        if web.close_code in _NORMAL_CLOSURES:
            return StreamEnd.CLOSED, ""
        reason = web.exception()
        return StreamEnd.FAILED, f"the socket closed with {web.close_code}{f': {reason}' if reason else ''}"

    def _obey(self, message: Message) -> bool:
        """Does what the server wants; whether it wants to end the stream."""
        try:
            wishes = self._dialect.understand(message)
        except NotUnderstood as error:
            self._passed_over += 1
            self._first_fault = self._first_fault or str(error)[:200]
            return False
        for wish in wishes:
            match wish:
                case Leave():
                    return True
                case Clear():
                    self._clear()
                case _ if self._link is not None:
                    self._carry_out(self._link, wish)
                case _:
                    self._early.append(wish)
        return False

    def _carry_out(self, link: Link, wish: Play | Mark) -> None:
        if isinstance(wish, Mark):
            link.mark(wish.name)
        elif self._order.plays:
            link.play(wish.audio)

    def _clear(self) -> None:
        marks = [wish.name for wish in self._early if isinstance(wish, Mark)]
        self._early.clear()
        if self._link is not None:
            marks += self._link.clear()
        for mark in marks:
            self._outbox.put(self._dialect.played(mark, cleared=True))


def dialect_of(order: OpenStream) -> Dialect:
    if order.protocol is StreamProtocol.TWILIO:
        return Twilio(order.opening, plays=order.plays)
    return Drachtio(order.opening, sent_rate=order.sent_rate, played_rate=order.played_rate)


async def _send(web: aiohttp.ClientWebSocketResponse, message: Message) -> None:
    if isinstance(message, bytes):
        await web.send_bytes(message)
    else:
        await web.send_str(message)


def _bound_send_buffer(web: aiohttp.ClientWebSocketResponse) -> None:
    """Late audio is of no use, so little of it may wait where we cannot take it back."""
    wrapped = web.get_extra_info("socket")
    if wrapped is not None:
        with socket.socket(fileno=os.dup(wrapped.fileno())) as real:
            real.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
