"""A trunk's row as a voice node uses it: the way there, and the addresses its calls come from."""

import asyncio
import hashlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

import structlog

from sautikitd.trunks.models import Trunk
from sautikitd.voice.engine import Route
from sautikitd.voice.number_forms import Addressing
from sautikitd.voice.sip.address import is_ip
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.srv import SrvLookup, look_up_srv, srv_name
from sautikitd.voice.sip.targets import Targets

log = structlog.get_logger(__name__)

Network = IPv4Network | IPv6Network

_LOOK_AGAIN_S = 30.0
_DNS_PATIENCE_S = 2.0


@dataclass(frozen=True)
class RoutedTrunk:
    trunk: Trunk
    route: Route
    sources: tuple[Network, ...]


def route_of(trunk: Trunk, password: str | None) -> Route:
    """The way to a trunk. Its number forms, its proxy and who vouches for it come along.

    Over UDP stays over UDP whatever the size of a request, against RFC 3261 §18.1.1: carriers that take UDP mostly have
    nothing listening on TCP, and a datagram in two fragments does arrive.
    """
    credentials = None
    if trunk.username and password:
        credentials = Credentials(username=trunk.username, password=password)
    hop = Hop(
        host=trunk.next_host,
        port=trunk.next_port,
        srv=trunk.srv,
        transport=Transport(trunk.transport),
        name=trunk.tls_name or "",
        trust=trust_of(trunk),
    )
    return Route(
        hop=hop,
        uri=(trunk.host, trunk.port) if trunk.proxy_host else None,
        addressing=Addressing(
            called=trunk.called_form,
            called_prefix=trunk.called_prefix,
            caller=trunk.caller_form,
            from_user=trunk.from_user,
            from_domain=trunk.from_domain,
        ),
        credentials=credentials,
        codecs=trunk.codecs,
        srtp=trunk.media_encryption,
    )


def trust_of(trunk: Trunk) -> str:
    """What `Hop.trust` says of its own authorities, the same on every node; "" where the system's are believed."""
    if trunk.tls_ca is None:
        return ""
    return hashlib.sha256(trunk.tls_ca.encode()).hexdigest()[:16]


class TrunkAddresses:
    """The addresses behind the names of trunks, looked up again every 30 s. A name that stops resolving keeps the
    addresses it had: a fault of DNS does not shut a carrier out."""

    def __init__(self, now: Callable[[], float], lookup: SrvLookup = look_up_srv) -> None:
        self._now = now
        self._targets = Targets(now, lookup)
        self._known: dict[str, tuple[float, tuple[Network, ...]]] = {}
        self._machines: dict[str, tuple[str, ...]] = {}

    def of(self, trunk: Trunk) -> list[Network]:
        """The addresses that its calls may come from, as far as they are known by now."""
        hosts = dict.fromkeys((trunk.host, trunk.next_host, *self._machines.get(_domain_of(trunk), ())))
        return [network for host in hosts for network in self._networks_of(host)]

    async def look_up(self, trunks: Sequence[Trunk]) -> None:
        """Asks for those of all these trunks; others are forgotten. Waits two seconds for DNS at most."""
        with_srv = [trunk for trunk in trunks if trunk.srv]
        found = await asyncio.gather(*map(self._machines_of, with_srv))
        self._machines = {_domain_of(trunk): hosts for trunk, hosts in zip(with_srv, found, strict=True)}
        hosts = {host for trunk in trunks for host in (trunk.host, trunk.next_host)}
        hosts.update(host for machines in self._machines.values() for host in machines)
        due = [host for host in hosts if self._is_due(host)]
        for host, networks in zip(due, await asyncio.gather(*map(_look_up, due)), strict=True):
            self._known[host] = (self._now(), networks or self._networks_of(host))
        self._known = {host: known for host, known in self._known.items() if host in hosts}

    async def _machines_of(self, trunk: Trunk) -> tuple[str, ...]:
        records = await self._targets.records_of(trunk.next_host, Transport(trunk.transport))
        return tuple(one.host for one in records)

    def _networks_of(self, host: str) -> tuple[Network, ...]:
        if is_ip(host):
            return (ip_network(host.partition("%")[0]),)
        return self._known[host][1] if host in self._known else ()

    def _is_due(self, host: str) -> bool:
        if is_ip(host):
            return False
        if host not in self._known:
            return True
        looked_at, found = self._known[host]
        return not found or self._now() - looked_at >= _LOOK_AGAIN_S


def _domain_of(trunk: Trunk) -> str:
    """What DNS knows its machines by."""
    return srv_name(trunk.next_host, Transport(trunk.transport)) if trunk.srv else ""


async def _look_up(host: str) -> tuple[Network, ...]:
    """Every address of a name; none while it cannot be resolved."""
    try:
        async with asyncio.timeout(_DNS_PATIENCE_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (
        OSError,
        UnicodeError,
    ) as exc:  # TimeoutError is one of the first; the other is a label that is too long
        log.warning("node.trunk_unresolved", host=host, error=str(exc) or "timeout")
        return ()
    return tuple(dict.fromkeys(ip_network(entry[4][0]) for entry in found))
