"""HTTP to addresses that customers choose: webhooks, voice callbacks, media. Guarded, bounded, timed."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple

import aiohttp
import msgspec
from yarl import URL

from sautikitd.egress.connecting import ConnectFailed, Connector, ConnectTimeout, NameUnknown
from sautikitd.egress.deadline import Deadline
from sautikitd.egress.failures import EgressFailure, EgressFailureKind
from sautikitd.egress.guard import AddressRefused, EgressGuard
from sautikitd.egress.pool import ConnectionPool, Host
from sautikitd.egress.reply import NotHttp, ReplyReader, TooLarge
from sautikitd.egress.requests import USER_AGENT, request_head

LARGEST_MESSAGE = 4 * 1024 * 1024
"""Bytes of one message that a WebSocket may send us."""

HEARTBEAT_S = 20.0

PER_HOST = 100
"""Connections to one host and port at a time; further requests to it wait, within their own time limit."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A response, whatever its status. Header names are lower case; repeated ones are joined by `, `."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Any 2xx. A redirect is none: it is never followed."""
        return 200 <= self.status < 300


class EgressLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`total_s` covers all from name lookup to the last byte; `body_bytes` counts after decompression."""

    total_s: float = 10.0
    connect_s: float = 5.0
    body_bytes: int = 64 * 1024
    truncate: bool = True  # False: a longer body is the failure `too_large`


DEFAULT = EgressLimits()


class EgressClient:
    """One per process (or per purpose). Enter it inside a running loop; it keeps connections alive.

    Redirects are not followed, environment proxies and cookies not used, bodies read up to a limit.
    """

    def __init__(
        self, guard: EgressGuard, *, tls: ssl.SSLContext | None = None, per_host: int = PER_HOST
    ) -> None:
        self._guard = guard
        self._tls = tls
        self._per_host = per_host
        self._pool: ConnectionPool | None = None
        self._session: aiohttp.ClientSession | None = None  # for WebSockets

    @property
    def guard(self) -> EgressGuard:
        return self._guard

    async def __aenter__(self) -> "EgressClient":
        self._pool = ConnectionPool(Connector(self._guard, self._tls), per_host=self._per_host)
        self._session = aiohttp.ClientSession(
            connector=self._guard.connector(limit_per_host=self._per_host),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            trace_configs=[_no_redirects()],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        live: bool,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limits: EgressLimits | None = None,
        repeatable: bool = False,
    ) -> Exchange:
        """Sends one request and reads the response. Raises `EgressFailure`; cancelling stops it at once.

        `repeatable`: it may arrive twice, since its receiver knows it again. Then one whose kept connection is lost before
        any byte of a response, as when the server was just about to close it, is sent once more over a new one
        (RFC 9112 §9.3.1), within the same limits.

        `url` goes out as written apart from the encoding of characters that a URL cannot hold; take it
        through `sent_form` first where its exact bytes matter (signatures).
        """
        problem = self._guard.check_url(url, live=live)
        if problem is not None:
            raise EgressFailure(EgressFailureKind.REFUSED, problem.reason)
        limits = limits or DEFAULT
        started = time.monotonic()
        reader = ReplyReader(method, body_bytes=limits.body_bytes, truncate=limits.truncate)
        try:
            with Deadline(limits.total_s):
                await self._exchange(method, url, headers or {}, body, limits, reader, repeatable=repeatable)
        except (TimeoutError, OSError, ValueError) as error:
            kind, message = _verdict(error, limits)
            raise EgressFailure(
                kind, message, before_response=not reader.status, duration_ms=_ms_since(started)
            ) from error
        return Exchange(
            status=reader.status,
            headers=reader.headers,
            body=reader.body,
            duration_ms=_ms_since(started),
            truncated=reader.truncated,
        )

    async def websocket(
        self,
        url: str,
        *,
        live: bool,
        headers: Mapping[str, str],
        subprotocol: str | None = None,
        limits: EgressLimits | None = None,
    ) -> aiohttp.ClientWebSocketResponse:
        """Opens a WebSocket (RFC 6455), within the limits of `limits.total_s`. Raises `EgressFailure`, also where
        the server does not take `subprotocol`. Pings each 20 s end it when the server does not answer them."""
        problem = self._guard.check_url(url, live=live, websocket=True)
        if problem is not None:
            raise EgressFailure(EgressFailureKind.REFUSED, problem.reason)
        if self._session is None:
            raise RuntimeError("EgressClient is used outside its `async with`")
        limits = limits or DEFAULT
        started = time.monotonic()
        try:
            async with asyncio.timeout(limits.total_s):
                opened = await self._session.ws_connect(
                    _on_the_wire(url),
                    headers=headers,
                    protocols=(subprotocol,) if subprotocol else (),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=LARGEST_MESSAGE,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    ssl=self._tls or True,
                )
        except aiohttp.WSServerHandshakeError as error:
            reason = f"the WebSocket was refused: {error.message}, status {error.status}"
            raise EgressFailure(
                EgressFailureKind.PROTOCOL, reason, before_response=False, duration_ms=_ms_since(started)
            ) from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            kind, message = _websocket_verdict(error, limits)
            raise EgressFailure(kind, message, duration_ms=_ms_since(started)) from error
        if subprotocol and opened.protocol != subprotocol:
            await opened.close()
            reason = f"the server does not speak {subprotocol}"
            raise EgressFailure(EgressFailureKind.PROTOCOL, reason, before_response=False)
        return opened

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: EgressLimits,
        reader: ReplyReader,
        *,
        repeatable: bool,
    ) -> None:
        pool = self._pool
        if pool is None:
            raise RuntimeError("EgressClient is used outside its `async with`")
        target = _target_of(url)
        head = request_head(method, target.path, target.authority, headers, body)
        connection = await pool.take(target.host, limits.connect_s)
        try:
            await connection.exchange(head, body, reader)
        except ConnectionError:
            if not repeatable or not connection.kept or reader.begun:
                raise
        else:
            return
        finally:
            pool.give_back(target.host, connection, reader.headers)
        connection = await pool.take(target.host, limits.connect_s, fresh=True)
        try:
            await connection.exchange(head, body, reader)
        finally:
            pool.give_back(target.host, connection, reader.headers)


class _Redirected(ValueError):
    pass


def _no_redirects() -> aiohttp.TraceConfig:
    """Of plain requests the option says so; a WebSocket's upgrade has none, and would be led anywhere."""

    async def refuse(*_: object) -> None:
        raise _Redirected("the server answers with a redirect, which is not followed")

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


def sent_form(url: str) -> str:
    """The URL as it goes on the wire: characters encoded as needed, host in ASCII, no fragment."""
    return str(_on_the_wire(url))


@lru_cache(maxsize=2048)
def _on_the_wire(url: str) -> URL:
    return URL(str(URL(url).with_fragment(None)), encoded=True)


class _Target(NamedTuple):
    host: Host
    authority: str  # of the Host field: without the port its scheme has anyway
    path: str  # with its query


@lru_cache(maxsize=4096)
def _target_of(url: str) -> _Target:
    """Raises ValueError for what is no URL."""
    sent = _on_the_wire(url)
    name, port = sent.raw_host, sent.port
    if not name or port is None:
        raise ValueError(f"not a URL: {url}")
    return _Target(
        Host(name, port, sent.scheme == "https"), sent.host_port_subcomponent or name, sent.raw_path_qs
    )


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _verdict(error: Exception, limits: EgressLimits) -> tuple[EgressFailureKind, str]:
    """Names what went wrong with a request. The order matters: most of these are OSErrors."""
    kind = EgressFailureKind
    match error:
        case AddressRefused():
            return kind.REFUSED, str(error)
        case ConnectTimeout():
            return kind.TIMEOUT, str(error)
        case NameUnknown():
            return kind.DNS, str(error)
        case ConnectFailed():
            return kind.CONNECT, str(error)
        case ssl.SSLError():
            return kind.TLS, getattr(error, "verify_message", "") or error.reason or str(error)
        case NotHttp():
            return kind.PROTOCOL, f"the answer is not HTTP: {error}"
        case TooLarge():
            return kind.TOO_LARGE, str(error)
        case TimeoutError():
            return kind.TIMEOUT, f"no complete response within {limits.total_s:g} s"
        case ValueError():
            return kind.REFUSED, str(error)
    return kind.RESET, f"the connection broke: {str(error) or type(error).__name__}"


def _websocket_verdict(error: BaseException, limits: EgressLimits) -> tuple[EgressFailureKind, str]:
    """The same of a WebSocket's opening, which aiohttp does. Its classes inherit from several of these."""
    refused = _refusal_behind(error)
    if refused is not None:
        return EgressFailureKind.REFUSED, str(refused)
    kind = EgressFailureKind
    match error:
        case aiohttp.ConnectionTimeoutError():
            return kind.TIMEOUT, f"no connection within {limits.connect_s:g} s"
        case TimeoutError():
            return kind.TIMEOUT, f"no complete response within {limits.total_s:g} s"
        case _Redirected():
            return kind.PROTOCOL, str(error)
        case aiohttp.ClientSSLError():
            return kind.TLS, str(error)
        case aiohttp.ClientConnectorDNSError():
            return kind.DNS, f"{error.host} cannot be resolved"
        case aiohttp.ClientConnectorError():
            return kind.CONNECT, f"{error.host}:{error.port} cannot be reached: {error.strerror or error}"
        case aiohttp.ClientResponseError():
            return kind.PROTOCOL, f"the answer is not HTTP: {error.message}"
        case aiohttp.InvalidURL() | UnicodeError():
            return kind.REFUSED, f"not a URL: {error}"
    return kind.RESET, f"the connection broke: {str(error) or type(error).__name__}"


def _refusal_behind(error: BaseException | None) -> AddressRefused | None:
    while error is not None:
        if isinstance(error, AddressRefused):
            return error
        error = error.__cause__ or error.__context__
    return None
