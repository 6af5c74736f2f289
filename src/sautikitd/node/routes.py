"""Where calls go and who may send us some: the trunks as the node knows them, and the carrier of test mode."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection
from sautikitd.trunks.models import Trunk
from sautikitd.trunks.service import Trunks
from sautikitd.voice.engine import Route
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip.admission import Admit, Ignore, Verdict
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.wire import Arrival

CARRIER = "carrier"
"""The identity of calls from the simulated carrier."""


@dataclass(frozen=True)
class RoutedTrunk:
    trunk: Trunk
    route: Route
    sources: tuple[IPv4Network | IPv6Network, ...]


class Routes:
    """Refreshed every few seconds by the node; asking costs nothing. Also the authenticator of the user agent."""

    def __init__(self, carrier: tuple[str, int], trunks: Trunks) -> None:
        self._carrier = Route(hop=Hop(host=carrier[0], port=carrier[1]))
        self._stored = trunks
        self._trunks: dict[UUID, RoutedTrunk] = {}

    async def refresh(self, connection: Connection) -> None:
        stored = await self._stored.enabled(connection)
        routed = await asyncio.gather(*(_read(trunk, password) for trunk, password in stored))
        self._trunks = {one.trunk.id: one for one in routed}

    @property
    def trunks(self) -> Sequence[RoutedTrunk]:
        return list(self._trunks.values())

    def of(self, call: CallRecord) -> Route | None:
        """The way a call goes. A test call goes to the carrier, whatever trunks there are."""
        if call.mode == "test":
            return self._carrier
        trunk = self._trunks.get(call.trunk_id) if call.trunk_id else None
        return trunk.route if trunk else None

    def credentials_of(self, trunk_id: UUID | None) -> Credentials | None:
        one = self._trunks.get(trunk_id) if trunk_id else None
        return one.route.credentials if one else None

    def knows(self, source: Source) -> str | None:
        """The trunk's id, `CARRIER`, or None for somebody we do not know."""
        if (source.host, source.port) == (self._carrier.hop.host, self._carrier.hop.port):
            return CARRIER
        address = ip_address(source.host)
        for one in self._trunks.values():
            if any(address in network for network in one.sources):
                return str(one.trunk.id)
        return None

    def codecs_of(self, identity: str) -> Sequence[str]:
        route = self._carrier if identity == CARRIER else self._trunks[UUID(identity)].route
        return route.codecs

    def srtp_of(self, identity: str) -> MediaEncryption:
        """How a trunk's calls to us are to be encrypted."""
        return (self._carrier if identity == CARRIER else self._trunks[UUID(identity)].route).srtp

    async def authenticate(self, request: Arrival) -> Verdict:
        """Calls come in from known sources only; scanners hear nothing."""
        identity = self.knows(request.source)
        return Admit(identity) if identity else Ignore()


async def _read(trunk: Trunk, password: str | None) -> RoutedTrunk:
    credentials = None
    if trunk.username and password:
        credentials = Credentials(username=trunk.username, password=password)
    hop = Hop(host=trunk.host, port=trunk.port, transport=Transport(trunk.transport), allow_tcp=True)
    route = Route(hop=hop, credentials=credentials, codecs=trunk.codecs)
    sources = (*await _addresses(trunk.host), *map(ip_network, trunk.source_cidrs))
    return RoutedTrunk(trunk, route, sources)


async def _addresses(host: str) -> list[IPv4Network | IPv6Network]:
    """Every address of a trunk's name; none while it cannot be resolved."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError:
        return []
    return [ip_network(entry[4][0]) for entry in found]
