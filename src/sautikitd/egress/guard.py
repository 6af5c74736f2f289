"""The one place that decides where the platform may connect on a customer's word (contract §12, Egress)."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sautikitd.egress.addresses import refusal_of
from sautikitd.egress.urls import UrlProblem, check_url

DNS_CACHE_S = 10
DNS_THREADS = 32


class AddressRefused(OSError):
    """A host is, or resolves to, an address that may not be connected to."""


class NameLookup(Protocol):
    async def lookup(self, host: str) -> Sequence[str]:
        """The host's IPv4 and IPv6 addresses as text, at least one; raises OSError when there is none."""
        ...


class SystemLookup:
    """The operating system's resolver, on threads of its own so that slow names delay only each other."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="egress-dns")

    async def lookup(self, host: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(_text_of(sockaddr) for _, _, _, _, sockaddr in answers))


class EgressGuard:
    """Checks URLs as text and addresses at connect time; makes connectors that can reach nothing else.

    `allow_private` (development, or an operator's wish) opens loopback and private ranges and lets live
    mode use plain http.
    """

    def __init__(self, *, allow_private: bool = False, lookup: NameLookup | None = None) -> None:
        self.allow_private = allow_private
        self._lookup = lookup or SystemLookup()

    def check_url(self, url: str, *, live: bool, websocket: bool = False) -> UrlProblem | None:
        return check_url(url, live=live, allow_private=self.allow_private, websocket=websocket)

    def check_address(self, address: str) -> None:
        """Raises `AddressRefused` unless a connection to `address` (IP, text) is allowed."""
        reason = refusal_of(address, allow_private=self.allow_private)
        if reason is not None:
            raise AddressRefused(reason)

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of `host`, all of them checked: one bad among good ones refuses the host.

        The refusal does not name the address: what our resolver says of private names is not for customers.
        """
        addresses = await self._lookup.lookup(host)
        if not addresses:
            raise OSError(f"{host} has no address")
        if any(refusal_of(address, allow_private=self.allow_private) for address in addresses):
            raise AddressRefused(f"{host} resolves to an address that may not be reached")
        return addresses

    def connector(self, *, limit_per_host: int) -> aiohttp.TCPConnector:
        """A connector whose every socket goes to a checked address. TLS still sees the original name.

        Only connections to the same host are limited, so that one slow host never holds up another.
        """
        return aiohttp.TCPConnector(
            resolver=_GuardedResolver(self),
            ttl_dns_cache=DNS_CACHE_S,
            limit=0,
            limit_per_host=limit_per_host,
            socket_factory=self._checked_socket,
        )

    def _checked_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The last word, at the moment of connecting, whatever the layers above have done to the host."""
        family, kind, proto, _, sockaddr = info
        self.check_address(_text_of(sockaddr))
        return socket.socket(family, kind, proto)


class _GuardedResolver(AbstractResolver):
    def __init__(self, guard: EgressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [_result(host, address, port) for address in await self._guard.resolve(host)]

    async def close(self) -> None:
        """Nothing to close: the lookup belongs to the guard, which outlives its connectors."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


def _text_of(sockaddr: Sequence[object]) -> str:
    """The address of a sockaddr, with its zone where it has one (`fe80::1%2`), which is then refused."""
    if len(sockaddr) == 4 and sockaddr[3]:
        return f"{sockaddr[0]}%{sockaddr[3]}"
    return str(sockaddr[0])
