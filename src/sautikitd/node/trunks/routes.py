"""Where calls go and who may send us some: the trunks as the node knows them, and the carrier of test mode."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from sautikitd.calls.addresses import is_device_address
from sautikitd.calls.models import CallRecord
from sautikitd.node.devices import media as device_media
from sautikitd.node.trunks.ways import Network, RoutedTrunk, TrunkAddresses, route_of
from sautikitd.trunks.models import Trunk
from sautikitd.voice.engine import Route
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip.admission import Admit, Ignore, Verdict
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop, Source
from sautikitd.voice.sip.wire import Arrival

CARRIER = "carrier"
"""The identity of calls from the simulated carrier."""


class Routes:
    """Told of the trunks by the node every few seconds, and of a change at once; asking costs nothing. Also the
    authenticator of the user agent."""

    def __init__(self, carrier: tuple[str, int], addresses: TrunkAddresses | None = None) -> None:
        self._carrier = Route(hop=Hop(host=carrier[0], port=carrier[1]))
        self._addresses = addresses or TrunkAddresses(asyncio.get_running_loop().time)
        self._trunks: dict[UUID, RoutedTrunk] = {}

    def take(self, stored: Sequence[tuple[Trunk, str | None]]) -> None:
        """Takes the trunks that may carry calls, each with its password, for those it knew before. Calls go by them at
        once; whose names DNS was not asked for yet are let in by `look_up`."""
        self._trunks = {
            trunk.id: RoutedTrunk(trunk, route_of(trunk, password), self._sources_of(trunk))
            for trunk, password in sorted(stored, key=lambda item: (item[0].priority, item[0].name))
        }

    async def look_up(self) -> None:
        """Finds the addresses that the trunks' calls come from. Waits two seconds for DNS at most."""
        await self._addresses.look_up([one.trunk for one in self._trunks.values()])
        self._trunks = {
            trunk_id: replace(one, sources=self._sources_of(one.trunk))
            for trunk_id, one in self._trunks.items()
        }

    def _sources_of(self, trunk: Trunk) -> tuple[Network, ...]:
        return tuple(dict.fromkeys((*self._addresses.of(trunk), *map(ip_network, trunk.source_cidrs))))

    @property
    def trunks(self) -> Sequence[RoutedTrunk]:
        return list(self._trunks.values())

    @property
    def authorities(self) -> dict[str, str]:
        """Who vouches for trunks that name their own: PEM by `Hop.trust`."""
        return {
            one.route.hop.trust: one.trunk.tls_ca
            for one in self._trunks.values()
            if one.trunk.tls_ca is not None
        }

    def of(self, call: CallRecord) -> Route | None:
        """The way a call goes. A test call goes to the carrier, whatever trunks there are; one to a device, in either
        mode, to where its row says."""
        if is_device_address(call.to_address):
            return device_media.route_of(call.dialog) if call.dialog else None
        if call.mode == "test":
            return self._carrier
        trunk = self._trunks.get(call.trunk_id) if call.trunk_id else None
        return trunk.route if trunk else None

    def trunk(self, trunk_id: UUID | None) -> Trunk | None:
        """A trunk in service; None for one that is not, any more."""
        one = self._trunks.get(trunk_id) if trunk_id else None
        return one.trunk if one else None

    def credentials_of(self, trunk_id: UUID | None) -> Credentials | None:
        one = self._trunks.get(trunk_id) if trunk_id else None
        return one.route.credentials if one else None

    def knows(self, source: Source) -> str | None:
        """The trunk's id, `CARRIER`, or None for somebody we do not know."""
        if (source.host, source.port) == (self._carrier.hop.host, self._carrier.hop.port):
            return CARRIER
        return next((str(one.trunk.id) for one in self._from(source)), None)

    def codecs_of(self, identity: str) -> Sequence[str]:
        route = self._carrier if identity == CARRIER else self._trunks[UUID(identity)].route
        return route.codecs

    def srtp_of(self, identity: str) -> MediaEncryption:
        """How a trunk's calls to us are to be encrypted."""
        return (self._carrier if identity == CARRIER else self._trunks[UUID(identity)].route).srtp

    async def authenticate(self, request: Arrival) -> Verdict:
        """Calls come in from known sources only; scanners hear nothing.

        Of several trunks at one address, the one whose account the request names.
        """
        identity = self.knows(request.source)
        if identity is None:
            return Ignore()
        if identity != CARRIER:
            named = {request.request.uri.user, request.to.user}
            ours = (one.trunk for one in self._from(request.source))
            theirs = next(
                (trunk for trunk in ours if {trunk.username, trunk.from_user} & named - {None}), None
            )
            identity = str(theirs.id) if theirs else identity
        return Admit(identity)

    def _from(self, source: Source) -> list[RoutedTrunk]:
        """The trunks whose calls may come from there, the preferred one first."""
        address = ip_address(source.host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return [one for one in self._trunks.values() if any(address in network for network in one.sources)]
