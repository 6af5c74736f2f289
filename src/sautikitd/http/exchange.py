"""One request as the server hands it over (ASGI 3.0, HTTP scope), and the two forms of an answer on its way out.

There is no framework between: the kernel does what one would do, and every header is read and written once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote_from_bytes

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


MOST_DISCARDED = 64 * 1024 * 1024
"""Bytes of a body that nobody wants, read and forgotten."""

DISCARDING_SECONDS = 30.0
_BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
_ASCII = bytes(range(128))  # the others a client should have escaped, and are taken as if it had


class Disconnected(Exception):
    """The client is gone before its request was whole."""


class Exchange:
    """`headers` by lower-case name; a header sent several times is joined by commas (RFC 9110 §5.3)."""

    __slots__ = (
        *("_begun", "_ended", "_receive", "_send"),
        *("headers", "method", "path", "path_values", "peer", "query_string", "version"),
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.path_values: Mapping[str, str] = {}
        self.query_string: bytes = scope["query_string"]
        self.peer: str = scope["client"][0] if scope.get("client") else ""
        self.version: str = scope.get("http_version", "1.1")
        self.headers = _headers(scope["headers"])
        self._receive = receive
        self._send = send
        self._begun = False  # to be read
        self._ended = self._has_no_body()

    def _has_no_body(self) -> bool:
        """HTTP/2 need not say how long a body is, nor that there is one."""
        if self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers:
            return False
        return not self.version.startswith("2") or self.method in _BODILESS

    def query_pairs(self) -> list[tuple[str, str]]:
        """In their order, blank values kept; what is not UTF-8 in halves of surrogate pairs. Raises ValueError for too many."""
        escaped = quote_from_bytes(self.query_string, safe=_ASCII)
        return parse_qsl(escaped, keep_blank_values=True, max_num_fields=1000, errors="surrogateescape")

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes in. Raises `Disconnected`."""
        more = self._begun = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._ended = True
                raise Disconnected
            more = message.get("more_body", False)
            self._ended = not more
            if chunk := message.get("body", b""):
                yield chunk

    async def answer(self, outgoing: "Outgoing") -> None:
        """Sends an answer. What is left of the body is read and forgotten before, within limits.

        For a connection closed on bytes that nobody took is reset, and the client may never see the answer (RFC 9112
        §9.6). One that waits to be told to go on sends no body (RFC 9110 §10.1.1), and one with a body beyond the limits
        does best to hear of it at once.
        """
        waits = "expect" in self.headers and not self._begun
        if not self._ended and not waits and self._declared() <= MOST_DISCARDED:
            await self._discard()
        await outgoing.send(self._send, self._receive)

    def _declared(self) -> int:
        """Bytes of the body by its Content-Length; 0 where that says nothing."""
        length = self.headers.get("content-length", "")
        return int(length[:20]) if length.isascii() and length.isdigit() else 0

    async def _discard(self) -> None:
        left = MOST_DISCARDED
        with suppress(Disconnected, TimeoutError):
            async with asyncio.timeout(DISCARDING_SECONDS):
                async for chunk in self.body():
                    left -= len(chunk)
                    if left < 0:
                        return


class Outgoing(Protocol):
    status: int
    headers: dict[str, str]

    async def send(self, send: Send, receive: Receive) -> None: ...


class Whole:
    """Bytes that are there. 204 and 304 carry no content, and a HEAD's Content-Length is the GET's (RFC 9110 §8.6)."""

    __slots__ = ("content", "headers", "status")

    def __init__(self, content: bytes, status: int, headers: dict[str, str], media_type: str) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        if status not in (204, 304):
            headers.setdefault("Content-Type", _content_type(media_type))
            headers.setdefault("Content-Length", str(len(content)))

    async def send(self, send: Send, receive: Receive) -> None:
        await send(_start(self.status, self.headers))
        await send({"type": "http.response.body", "body": self.content, "more_body": False})


class Streamed:
    """Bytes that come by and by, until they end or the client is gone."""

    __slots__ = ("headers", "status", "stream")

    def __init__(
        self, stream: AsyncIterator[bytes], status: int, headers: dict[str, str], media_type: str
    ) -> None:
        self.status = status
        self.headers = headers
        self.stream = stream
        headers.setdefault("Content-Type", _content_type(media_type))

    async def send(self, send: Send, receive: Receive) -> None:
        await send(_start(self.status, self.headers))
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send_all(self, send: Send) -> None:
        try:
            async for chunk in self.stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if close := getattr(self.stream, "aclose", None):
                with suppress(RuntimeError):  # it is running: then it hears of our cancelling
                    await close()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _headers(raw: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _content_type(media_type: str) -> str:
    unsaid = media_type.startswith("text/") and "charset=" not in media_type
    return f"{media_type}; charset=utf-8" if unsaid else media_type


@lru_cache(maxsize=512)
def _field_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


@lru_cache(maxsize=512)
def _standing_field(name: str, value: str) -> tuple[bytes, bytes]:
    return _field_name(name), value.encode("latin-1")


def _start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    encoded = [
        _standing_field(name, value) if name in _STANDING else (_field_name(name), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return {"type": "http.response.start", "status": status, "headers": encoded}


# Fields with so few values that each is made into bytes once.
_STANDING = frozenset(
    {
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
        "Cache-Control",
        "Content-Security-Policy",
        "Content-Type",
        "RateLimit-Limit",
        "Referrer-Policy",
        "Strict-Transport-Security",
        "Vary",
        "X-Content-Type-Options",
        "X-Frame-Options",
    }
)
