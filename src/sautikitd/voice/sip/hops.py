"""Where messages go and where they come from: addresses of the transport layer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    WS = "ws"  # WebSocket, RFC 7118
    WSS = "wss"

    @property
    def reliable(self) -> bool:
        return self is not Transport.UDP

    @property
    def websocket(self) -> bool:
        return self in (Transport.WS, Transport.WSS)

    @property
    def in_uri(self) -> str:
        """The value of a URI's `transport` parameter, where secure WebSockets are `ws` too (RFC 7118 §5.2.2)."""
        return "ws" if self.websocket else self.value

    @property
    def default_port(self) -> int:
        return {Transport.TLS: 5061, Transport.WS: 80, Transport.WSS: 443}.get(self, 5060)


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """The next machine on the way. `host` is an IP address or a name, without brackets."""

    host: str
    port: int = 5060
    transport: Transport = Transport.UDP
    allow_tcp: bool = False
    """Whether a request of more than 1,300 bytes may go by TCP instead of UDP (RFC 3261 §18.1.1)."""
    name: str = ""
    """The name that `host` was resolved from: the one a certificate must prove. "": the address itself."""
    trust: str = ""
    """Who may vouch for it, as told to `UserAgent.trust`. "": those that the agent believes anyway."""
    srv: bool = False
    """Whether `host` is a domain whose SRV records say where; `port` goes for one that has none (RFC 3263 §4.2)."""
    fixed: bool = False
    """A device behind whatever NAT there is: reached at the very address it was heard from, whatever its Contact
    says, and over the connection that it opened itself, or not at all (RFC 5626 §5.3)."""

    @property
    def dies_with_process(self) -> bool:
        """Whether nobody else could send there: the connection is ours."""
        return self.fixed and self.transport.reliable

    def __str__(self) -> str:
        return f"{self.transport}:{self.host}:{self.port}"


class Flow(Protocol):
    """A connection that a message came in on and that an answer may go out on."""

    @property
    def open(self) -> bool: ...

    def write(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """The true sender of a message: the address of its packet, or the peer of its connection."""

    transport: Transport
    host: str
    port: int
    flow: Flow | None = None
    name: str = ""
    """What it has proved by its certificate, where we connected to it; and `trust`, who vouched for it."""
    trust: str = ""

    @property
    def hop(self) -> Hop:
        return Hop(host=self.host, port=self.port, transport=self.transport, name=self.name, trust=self.trust)

    @property
    def fixed_hop(self) -> Hop:
        """The way back to a device, and no other."""
        return Hop(host=self.host, port=self.port, transport=self.transport, fixed=True)
