"""Which IP addresses the platform may be sent to by a customer's URL.

The sets follow the IANA special-purpose address registries (RFC 6890 and its updates). They are written
out, not taken from `ipaddress.is_global`, whose answers differ between Python releases.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

PRIVATE_V4 = tuple(
    IPv4Network(n) for n in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""Loopback, RFC 1918 and carrier-grade NAT (RFC 6598): reachable only where the operator allows it."""

NEVER_V4 = tuple(
    IPv4Network(n)
    for n in (
        "0.0.0.0/8",  # this host: connects to loopback on Linux
        "169.254.0.0/16",  # link-local: cloud metadata services
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relay anycast, deprecated
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

PRIVATE_V6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))

PUBLIC_V6 = IPv6Network("2000::/3")
"""The only space from which global unicast is given out; everything else is special."""

NEVER_V6 = tuple(
    IPv6Network(n)
    for n in (
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, deprecated (RFC 7526): a tunnel to any IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation (RFC 9637)
    )
)

NAT64 = IPv6Network("64:ff9b::/96")


def refusal_of(address: str, *, allow_private: bool) -> str | None:
    """Why no connection may be made to `address` (text form, as the resolver gave it); None = it may.

    IPv4-mapped (RFC 4291 §2.5.5.2) and NAT64 (RFC 6052) addresses are judged by the IPv4 address inside
    them. `allow_private` opens loopback, RFC 1918, CGNAT and unique local addresses, and nothing else.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"{address!r} is not an IP address"
    inner = _embedded_v4(parsed)
    judged = inner or parsed
    verdict = _verdict_v4(judged) if isinstance(judged, IPv4Address) else _verdict_v6(judged)
    if verdict is None or (verdict == "private" and allow_private):
        return None
    return f"{address} is a {verdict} address"


def _embedded_v4(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _verdict_v4(address: IPv4Address) -> str | None:
    if any(address in network for network in PRIVATE_V4):
        return "private"
    return "reserved" if any(address in network for network in NEVER_V4) else None


def _verdict_v6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "link-local"
    if any(address in network for network in PRIVATE_V6):
        return "private"
    if address not in PUBLIC_V6 or any(address in network for network in NEVER_V6):
        return "reserved"
    return None
