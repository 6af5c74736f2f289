"""Who is meant by an address that is no telephone number, and the way there."""

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from sautikitd.calls import leases
from sautikitd.calls.addresses import CLIENT, DeviceClass
from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.devices import bindings, sip_hosts
from sautikitd.devices.errors import ClientNotRegistered, SipHostForbidden, SipHostUnreachable
from sautikitd.devices.models import Binding
from sautikitd.egress.guard import EgressGuard
from sautikitd.node.devices.media import route_to
from sautikitd.voice.engine import Route
from sautikitd.voice.sip.address import MalformedAddress, SipUri, unbracketed
from sautikitd.voice.sip.hops import Hop, Transport


class Callee(msgspec.Struct, frozen=True, kw_only=True):
    """One device, or SIP address, to be rung as a leg of its own."""

    route: Route

    @property
    def device_class(self) -> DeviceClass:
        return "browser" if self.route.hop.transport.websocket else "sip"


class Callees:
    """`is_ours` knows the hosts that our registrar answers for; `guard` the addresses that nobody may be sent to."""

    def __init__(
        self,
        node_id: UUID,
        database: Database,
        clock: Clock,
        guard: EgressGuard,
        is_ours: Callable[[str], bool],
    ) -> None:
        self._node_id = node_id
        self._database = database
        self._clock = clock
        self._guard = guard
        self._is_ours = is_ours

    async def of(self, call: CallRecord, address: str) -> Sequence[Callee]:
        """At least one: `client:NAME` and the SIP addresses of our own domain are all devices registered by that
        name, other SIP addresses themselves, where the workspace may dial their host.

        Raises `ClientNotRegistered`, `SipHostForbidden`, `SipHostUnreachable`, or one of `DatabaseUnavailable`.
        """
        if address.lower().startswith(CLIENT):
            return await self._devices(call, address[len(CLIENT) :])
        try:
            uri = SipUri.parse(address.partition("?")[0])
        except MalformedAddress:
            raise SipHostForbidden(host=address[:100]) from None
        if self._is_ours(uri.host):
            return await self._devices(call, uri.user or "")
        return [await self._elsewhere(call, uri)]

    async def _devices(self, call: CallRecord, name: str) -> list[Callee]:
        async with self._database.connection() as connection:
            found = await bindings.named(connection, call.workspace_id, call.mode, name, self._clock.now())
            holders = {one.node_id for one in found if self._is_held_elsewhere(one)}
            addresses = await leases.addresses_of(connection, holders) if holders else {}
        if not found:
            raise ClientNotRegistered(name=name[:100])
        return [Callee(route=_route(one, addresses.get(one.node_id))) for one in found]

    def _is_held_elsewhere(self, binding: Binding) -> bool:
        """A connection can be used by the node that holds it; datagrams reach a device from any."""
        return binding.node_id != self._node_id and binding.transport != Transport.UDP

    async def _elsewhere(self, call: CallRecord, uri: SipUri) -> Callee:
        """Where a name leads is looked at here, and the call goes to that very address."""
        host = unbracketed(uri.host)
        async with self._database.connection() as connection:
            if not await sip_hosts.is_allowed(connection, call.workspace_id, call.mode, host):
                raise SipHostForbidden(host=host)
        try:
            addresses = await self._guard.resolve(host)
        except OSError:
            raise SipHostUnreachable(host=host) from None
        named = (uri.transport or "").lower()
        secure = uri.scheme == "sips" or named == Transport.TLS
        transport = Transport.TLS if secure else Transport.TCP if named == Transport.TCP else Transport.UDP
        hop = Hop(
            host=addresses[0],
            port=uri.port or transport.default_port,
            transport=transport,
            allow_tcp=True,
            name=host,
        )
        return Callee(route=route_to(hop, str(uri)))


def _route(binding: Binding, holder: tuple[str, int] | None) -> Route:
    transport = Transport(binding.transport)
    hop = Hop(host=binding.host, port=binding.port, transport=transport, fixed=True)
    return route_to(hop, binding.contact, None if transport is Transport.UDP else holder)
