"""The machines behind the name of a hop, the one to try first in front (RFC 3263 §4)."""

import asyncio
import random
import socket
from collections.abc import Callable

import msgspec
import structlog

from sautikitd.voice.sip.address import is_ip, unbracketed, unmapped
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.srv import SrvAnswer, SrvLookup, SrvRecord, in_order, look_up_srv, srv_name

log = structlog.get_logger(__name__)

AVOIDED_S = 60.0
"""How long a machine that did not answer comes last."""

_chance = random.SystemRandom()


class Targets:
    """NAPTR is not asked: it chooses a transport, and ours are always said."""

    def __init__(self, now: Callable[[], float], lookup: SrvLookup = look_up_srv) -> None:
        self._now = now
        self._lookup = lookup
        self._known: dict[str, tuple[float, SrvAnswer]] = {}
        self._avoided: dict[tuple[Transport, str, int], float] = {}

    async def of(self, hop: Hop, *, six: bool) -> list[Hop]:
        """At least one, with IP addresses of one family. Raises `OSError` when the name leads nowhere."""
        if is_ip(hop.host):
            return [hop]
        places = [(one.host, one.port) for one in await self._records(hop)] or [(hop.host, hop.port)]
        answers = await asyncio.gather(
            *(_addresses(*place, six=six) for place in places), return_exceptions=True
        )
        found = [
            msgspec.structs.replace(hop, host=address, port=port, name=hop.name or hop.host, srv=False)
            for (_, port), addresses in zip(places, answers, strict=True)
            if not isinstance(addresses, BaseException)
            for address in addresses
        ]
        if not found:
            raise next(one for one in answers if isinstance(one, BaseException))
        return sorted(dict.fromkeys(found), key=self._is_avoided)

    def failed(self, target: Hop) -> None:
        """Nobody answers there, or it is out of order: others go first for a minute."""
        self._avoided[target.transport, unbracketed(target.host), target.port] = self._now() + AVOIDED_S

    async def records_of(self, host: str, transport: Transport) -> tuple[SrvRecord, ...]:
        """Those of a domain, none where it has none. What DNS does not say now is as it was before."""
        name = srv_name(host, transport)
        until, answer = self._known.get(name, (0.0, SrvAnswer()))
        if self._now() < until:
            return answer.records
        try:
            answer = await self._lookup(name)
        except OSError as exc:
            log.warning("sip.srv_unknown", name=name, error=str(exc))
        self._known[name] = (self._now() + answer.seconds, answer)
        return answer.records

    async def _records(self, hop: Hop) -> list[SrvRecord]:
        return in_order(await self.records_of(hop.host, hop.transport), _chance) if hop.srv else []

    def _is_avoided(self, target: Hop) -> bool:
        place = target.transport, target.host, target.port
        if self._avoided.get(place, 0.0) <= self._now():
            self._avoided.pop(place, None)
            return False
        return True


async def _addresses(host: str, port: int, *, six: bool) -> list[str]:
    if is_ip(host):
        return [unbracketed(host)]
    found = await asyncio.get_running_loop().getaddrinfo(
        host,
        port,
        type=socket.SOCK_DGRAM,
        family=socket.AF_INET6 if six else socket.AF_INET,
        flags=socket.AI_V4MAPPED if six else 0,
    )
    return [unmapped(str(entry[4][0])) for entry in found]
