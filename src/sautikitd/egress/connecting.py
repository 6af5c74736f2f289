"""Makes connections: name to checked addresses, the first of them that answers, TLS with the original name."""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache

from sautikitd.egress.connection import Connection
from sautikitd.egress.guard import DNS_CACHE_S, EgressGuard

_HEAD_START_S = 0.25
"""How long one address has before the next is tried beside it (RFC 8305 §5)."""

_MOST_NAMES = 10_000


class ConnectFailed(OSError):
    """No address of the host could be connected to."""


class NameUnknown(OSError):
    """The host has no address."""


class ConnectTimeout(TimeoutError):
    """No connection in time."""


class Connector:
    """Answers of the resolver are remembered for `DNS_CACHE_S`; each address is checked when it is connected to."""

    def __init__(self, guard: EgressGuard, tls: ssl.SSLContext | None) -> None:
        self._guard = guard
        self._tls = tls
        self._known: dict[str, tuple[float, Sequence[str]]] = {}
        self._asking: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def connect(self, host: str, port: int, *, tls: bool, within_s: float) -> Connection:
        """Raises `AddressRefused`, `NameUnknown`, `ConnectFailed`, `ConnectTimeout`, ssl.SSLError.

        `within_s` is for the connection and TLS; the look-up of the name is within the caller's own limit.
        """
        addresses = await self._addresses(host)
        try:
            async with asyncio.timeout(within_s):
                sock = await self._first(addresses, port, host)
                try:
                    return await self._speak(sock, host, tls=tls)
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError as error:
            raise ConnectTimeout(f"no connection within {within_s:g} s") from error

    async def _speak(self, sock: socket.socket, host: str, *, tls: bool) -> Connection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection,
                sock=sock,
                ssl=(self._tls or _verifying()) if tls else None,
                server_hostname=host.rstrip(".") if tls else None,
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            raise ConnectFailed(f"{host} cannot be reached: {error.strerror or error}") from error
        return connection

    async def _addresses(self, host: str) -> Sequence[str]:
        known = self._known.get(host)
        if known is not None and time.monotonic() - known[0] < DNS_CACHE_S:
            return known[1]
        asking = self._asking.get(host)
        if asking is None:
            asking = self._asking[host] = asyncio.create_task(self._look_up(host))
            asking.add_done_callback(lambda task: self._answered(host, task))
        return await asyncio.shield(asking)  # others may wait for it too

    def _answered(self, host: str, asking: asyncio.Task[Sequence[str]]) -> None:
        self._asking.pop(host, None)
        if not asking.cancelled():
            asking.exception()  # noted, though all who asked may have gone

    async def _look_up(self, host: str) -> Sequence[str]:
        if _is_address(host):
            self._guard.check_address(host)
            return [host]
        try:
            addresses = await self._guard.resolve(host)
        except (socket.gaierror, UnicodeError) as error:
            raise NameUnknown(f"{host} cannot be resolved") from error
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[host] = (time.monotonic(), addresses)
        return addresses

    async def _first(self, addresses: Sequence[str], port: int, host: str) -> socket.socket:
        """A socket connected to one of the addresses, IPv6 and IPv4 in turn, each with a small head start."""
        left = _in_turn(addresses)
        trying: set[asyncio.Task[socket.socket]] = set()
        trouble: OSError | None = None
        try:
            while left or trying:
                if left:
                    trying.add(asyncio.create_task(self._dial(left.pop(0), port)))
                done, trying = await asyncio.wait(
                    trying,
                    timeout=_HEAD_START_S if left else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                good = [task.result() for task in done if task.exception() is None]
                for spare in good[1:]:
                    spare.close()
                if good:
                    return good[0]
                for task in done:
                    error = task.exception()
                    if not isinstance(error, OSError):
                        raise error or AssertionError("neither a result nor an error")
                    trouble = error
        finally:
            for task in trying:
                task.cancel()
                task.add_done_callback(_close_late)
        assert trouble is not None
        if isinstance(trouble, ConnectionError) or trouble.errno is not None:
            raise ConnectFailed(
                f"{host}:{port} cannot be reached: {trouble.strerror or trouble}"
            ) from trouble
        raise trouble

    async def _dial(self, address: str, port: int) -> socket.socket:
        """The last word on an address, at the moment of connecting, whatever the layers above have done."""
        self._guard.check_address(address)
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """Closes the socket of one who came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _in_turn(addresses: Sequence[str]) -> list[str]:
    sixes, fours = [a for a in addresses if ":" in a], [a for a in addresses if ":" not in a]
    if not addresses or ":" not in addresses[0]:
        sixes, fours = fours, sixes
    turns = [a for pair in zip(sixes, fours, strict=False) for a in pair]
    return turns + sixes[len(fours) :] + fours[len(sixes) :]


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


@lru_cache(maxsize=1)
def _verifying() -> ssl.SSLContext:
    """The system's certificates, names checked; no protocol but HTTP/1.1 is offered."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
