"""What a voice node needs for devices, put together: the door, the registrar, the desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from uuid import UUID

from sautikitd.app import Platform
from sautikitd.calls.from_devices import PlaceDeviceCall
from sautikitd.devices.credentials import SipCredentials
from sautikitd.node.devices.calls import DeviceDesk
from sautikitd.node.devices.guard import DeviceGuard
from sautikitd.node.devices.registrar import Registrar
from sautikitd.node.dialling.callees import Callees
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.trunks.doorkeeper import Doorkeeper
from sautikitd.node.trunks.routes import Routes
from sautikitd.settings import Settings
from sautikitd.voice.prompts import Decoder, PromptRenderer, Speaker
from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.websocket import WebSocketOptions


@dataclass(frozen=True, kw_only=True)
class DeviceParts:
    credentials: SipCredentials
    guard: DeviceGuard
    doorkeeper: Doorkeeper
    registrar: Registrar


def device_parts(platform: Platform, node_id: UUID, routes: Routes) -> DeviceParts:
    credentials = SipCredentials(platform.box)
    guard = DeviceGuard(
        platform.database, credentials, platform.events, platform.clock, own_hosts(platform.settings)
    )
    return DeviceParts(
        credentials=credentials,
        guard=guard,
        doorkeeper=Doorkeeper(routes, guard),
        registrar=Registrar(node_id, platform.database, platform.clock),
    )


def device_desk(
    platform: Platform, parts: DeviceParts, dialling: Dialling, speaker: Speaker, decoder: Decoder
) -> DeviceDesk:
    placing = PlaceDeviceCall(
        platform.lifecycle, platform.wallets, platform.sessions, platform.clock, platform.spend_guards
    )
    announcer = PromptRenderer(speaker, decoder, _fetch_nothing)
    return DeviceDesk(dialling, parts.credentials, placing, announcer, platform.settings.sip_advertise)


def callees_of(platform: Platform, parts: DeviceParts, node_id: UUID) -> Callees:
    return Callees(node_id, platform.database, platform.clock, platform.guard, parts.guard.is_ours)


def own_hosts(settings: Settings) -> set[str]:
    """What devices may call us: the domain, and the address behind it."""
    domain = settings.sip_domain
    host = domain.rpartition(":")[0] if domain.rpartition(":")[2].isdigit() and ":" in domain else domain
    hosts = {host.strip("[]"), settings.sip_advertise, *settings.media_advertise}
    return hosts | {"localhost", "127.0.0.1"} if settings.dev else hosts


def websockets_of(settings: Settings, tls: TlsOptions | None) -> Sequence[WebSocketOptions]:
    """Plain for a proxy in front of us, and over TLS where a certificate and an address are set."""
    proxies = [ip_network(network) for network in settings.trusted_proxies]
    found = [WebSocketOptions(host=settings.sip_ws.host, port=settings.sip_ws.port, proxies=proxies)]
    context = tls.server_context() if tls is not None else None
    if settings.sip_wss is not None and context is not None:
        wss = settings.sip_wss
        found.append(WebSocketOptions(host=wss.host, port=wss.port, context=context, proxies=proxies))
    return found


async def _fetch_nothing(url: str) -> bytes:
    raise ValueError(f"the platform's own announcements have no sound files: {url}")
