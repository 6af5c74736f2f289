"""One kept HTTP/1.1 connection: a request at a time, its response read to the end."""

import asyncio
import select
import time
from typing import cast

from sautikitd.egress.reply import ReplyReader

_PIECE = 64 * 1024
LARGE_BODY = 512 * 1024
"""From here on a body is sent in pieces, as fast as they leave, so that it does not hold up the loop."""

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class ConnectionLost(ConnectionError):
    """The other side closed the connection, or it broke, before the response was complete."""


class Connection(asyncio.Protocol):
    """`exchange` once at a time. `usable` tells whether another request may be sent."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.idle_for = 0.0  # seconds it may be kept without a request
        self._transport: asyncio.Transport | None = None
        self._reader: ReplyReader | None = None
        self._done: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._poll: select.poll | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    async def exchange(self, head: bytes, body: bytes | None, reader: ReplyReader) -> None:
        """Sends a request and feeds `reader` to the end of its response.

        Raises `ConnectionLost`, OSError, and what the reader raises; the connection is then closed, and when cancelled.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionLost("the server closed the connection")
        self._reader = reader
        done = self._done = asyncio.get_running_loop().create_future()
        try:
            if not body:
                transport.write(head)
            elif len(body) < LARGE_BODY:
                transport.write(head + body)
            else:
                transport.write(head)
                await self._send_large(transport, body, done)
            await done
        except BaseException:
            self.close()
            raise
        finally:
            self._reader = self._done = None
        if not reader.reusable:
            self.close()

    def usable(self, now: float) -> bool:
        """False once the other side has hung up, be it that the loop has not heard of it yet."""
        transport = self._transport
        if transport is None or transport.is_closing() or now - self.idle_since > self.idle_for:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
        return not any(event & _GONE for _, event in self._poll.poll(0))

    @property
    def kept(self) -> bool:
        """Whether it has carried a request before."""
        return self.idle_since > 0

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def rest(self, seconds: float) -> None:
        """Notes that it may be kept for so long from now on."""
        self.idle_since, self.idle_for = time.monotonic(), seconds

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        reader, done = self._reader, self._done
        if reader is None or done is None or done.done():
            self.close()  # nobody asked: a server's farewell (408), or a second response
            return
        try:
            if reader.feed(data):
                done.set_result(None)
        except ValueError as error:
            done.set_exception(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        done = self._done
        if done is None or done.done():
            return
        if self._reader is not None and error is None and self._reader.ended():
            done.set_result(None)
        else:
            done.set_exception(error or ConnectionLost("the server closed the connection"))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    async def _send_large(
        self, transport: asyncio.Transport, body: bytes, done: asyncio.Future[None]
    ) -> None:
        """Stops when the response comes first: what is left of the body is not wanted, and the connection not kept."""
        view = memoryview(body)
        for at in range(0, len(view), _PIECE):
            if done.done():
                if self._reader is not None:
                    self._reader.reusable = False
                return
            transport.write(view[at : at + _PIECE])
            if self._paused:
                self._writable = asyncio.get_running_loop().create_future()
                await asyncio.wait((self._writable, done), return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0)
