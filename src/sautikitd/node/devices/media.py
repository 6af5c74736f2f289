"""What sound is offered to devices and taken from them, by how they are connected."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sautikitd.voice.engine import Route
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.invites import PreparedInvite

_BROWSER = ("opus", "PCMU", "PCMA")
_SOFTPHONE = ("G722", "opus", "PCMA", "PCMU")


def codecs_for(transport: Transport) -> Sequence[str]:
    """In order of liking. Those that speak over WebSockets are browsers."""
    return _BROWSER if transport.websocket else _SOFTPHONE


def encryption_for(transport: Transport) -> MediaEncryption:
    """A browser takes nothing but DTLS-SRTP; a softphone that offers keys is answered in kind whatever stands here."""
    return MediaEncryption.DTLS if transport.websocket else MediaEncryption.NONE


def route_to(hop: Hop, target: str, holder: tuple[str, int] | None = None) -> Route:
    """The way to a device or SIP address: `target` is its Request-URI, `holder` the node that its connection is with,
    where that is another."""
    return Route(
        hop=hop,
        target=target,
        holder=holder,
        codecs=codecs_for(hop.transport),
        srtp=encryption_for(hop.transport),
    )


def route_of(stored: dict[str, Any]) -> Route:
    """The way that was stored with a leg to a device when it was entered."""
    prepared = PreparedInvite.restore(stored["invite"])
    hop = msgspec.convert(stored["device"], Hop) if "device" in stored else prepared.state.hop
    return route_to(hop, prepared.state.target)
