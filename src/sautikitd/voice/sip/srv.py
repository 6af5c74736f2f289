"""SRV records: where the name of a domain leads (RFC 2782, RFC 3263 §4.2)."""

import random
from collections.abc import Awaitable, Callable, Sequence

import dns.asyncresolver
import dns.exception
import dns.resolver
import msgspec

from sautikitd.voice.sip.hops import Transport

_PATIENCE_S = 2.0
_SHORTEST_S, _LONGEST_S = 30.0, 300.0
"""How long an answer is believed, whatever its time to live says."""


class SrvRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`host` without the dot at its end."""

    host: str
    port: int
    priority: int = 0
    weight: int = 0


class SrvAnswer(msgspec.Struct, frozen=True):
    """No records: the name has none, and is looked up as a host."""

    records: tuple[SrvRecord, ...] = ()
    seconds: float = _SHORTEST_S


SrvLookup = Callable[[str], Awaitable[SrvAnswer]]
"""Raises `OSError` when the DNS does not say."""


def srv_name(host: str, transport: Transport) -> str:
    service = "_sips" if transport is Transport.TLS else "_sip"
    return f"{service}._{'udp' if transport is Transport.UDP else 'tcp'}.{host}"


async def look_up_srv(name: str, resolver: dns.asyncresolver.Resolver | None = None) -> SrvAnswer:
    """Asks the servers of /etc/resolv.conf, two seconds at most."""
    try:
        asked = resolver or dns.asyncresolver.get_default_resolver()
        found = await asked.resolve(name, "SRV", lifetime=_PATIENCE_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return SrvAnswer()
    except (dns.exception.DNSException, ValueError) as exc:  # ValueError: a label that is too long
        raise OSError(f"DNS does not say what {name} is: {exc}") from exc
    records = tuple(
        SrvRecord(host=str(one.target).rstrip("."), port=one.port, priority=one.priority, weight=one.weight)
        for one in found
        if str(one.target) != "."  # RFC 2782: the service is decidedly not available there
    )
    ttl = float(found.rrset.ttl) if found.rrset is not None else _SHORTEST_S
    return SrvAnswer(records, min(max(ttl, _SHORTEST_S), _LONGEST_S))


def in_order(records: Sequence[SrvRecord], chance: random.Random) -> list[SrvRecord]:
    """The lowest priority first, and within one by weight; weight 0 has a very small chance (RFC 2782).

    A weighted shuffle, as for trunks (`trunks.choice`): Efraimidis and Spirakis 2006.
    """
    return sorted(records, key=lambda one: (one.priority, -(chance.random() ** (1 / (one.weight or 0.001)))))
