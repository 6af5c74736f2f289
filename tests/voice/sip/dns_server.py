"""A name server of the tests' own on loopback: what it is told about SRV, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Mapping[str, Sequence[str]]) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text().rstrip(".")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self._zone:
            if records := self._zone[name]:
                answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "SRV", *records))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server(zone: Mapping[str, Sequence[str]]) -> AsyncIterator[dns.asyncresolver.Resolver]:
    """A resolver that asks it. `zone`: "10 60 5060 sip1.example." by name."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Server(zone), local_addr=("127.0.0.1", 0)
    )
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = int(transport.get_extra_info("sockname")[1])
    try:
        yield resolver
    finally:
        transport.close()
