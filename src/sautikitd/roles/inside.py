"""Where other voice nodes reach this one, which behind a NAT is not where far ends do."""

import socket

from sautikitd.settings import Settings, is_wildcard
from sautikitd.voice.sip.address import is_ip, unbracketed

_DISCARD = 9  # RFC 863: nothing is sent there, but a way has to end at some port


def inside_address(settings: Settings) -> str:
    """The setting; else the address that the node listens on; else this machine's own, as the system would choose it to
    reach the advertised one: the same one where there is no NAT."""
    if settings.internal_address is not None:
        return settings.internal_address
    host = unbracketed(settings.sip.host)
    if is_ip(host) and not is_wildcard(host):
        return host
    return _own_on_the_way_to(settings.media_advertise[0] if is_wildcard(host) else host)


def _own_on_the_way_to(host: str) -> str:
    """Our address on that way; `host` itself where there is none."""
    try:
        (family, kind, protocol, _, place), *_ = socket.getaddrinfo(host, _DISCARD, type=socket.SOCK_DGRAM)
        with socket.socket(family, kind, protocol) as way:
            way.connect(place)
            return str(way.getsockname()[0])
    except OSError:
        return host
