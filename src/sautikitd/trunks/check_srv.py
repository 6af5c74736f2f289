"""What a trunk's domain says in DNS, and the machine that a check then looks at."""

import random

import msgspec

from sautikitd.trunks.findings import Finding, Verdict
from sautikitd.trunks.models import Transport, Trunk
from sautikitd.voice.sip import hops
from sautikitd.voice.sip.srv import SrvLookup, in_order, srv_name


async def by_srv(trunk: Trunk, look_up: SrvLookup) -> tuple[Trunk, Finding]:
    """The trunk as leading to the first machine of its domain; itself where that has no SRV records."""
    name = srv_name(trunk.next_host, hops.Transport(trunk.transport))
    try:
        answer = await look_up(name)
    except OSError:
        told = Finding(
            step="srv",
            verdict=Verdict.WARNING,
            found=f"DNS does not answer for {name}.",
            cure=f"Until it does, {trunk.next_host}:{trunk.next_port} is tried. Look at /etc/resolv.conf.",
        )
        return trunk, told
    if not answer.records:
        found = f"There are no SRV records under {name}: it is {trunk.next_host}, port {trunk.next_port}."
        return trunk, Finding(step="srv", found=found)
    records = in_order(answer.records, random.SystemRandom())
    listed = ", ".join(
        f"{one.host}:{one.port} (priority {one.priority}, weight {one.weight})" for one in records
    )
    first = msgspec.structs.replace(
        trunk,
        proxy_host=records[0].host,
        proxy_port=records[0].port,
        tls_name=(trunk.tls_name or trunk.next_host) if trunk.transport is Transport.TLS else None,
    )
    return first, Finding(step="srv", found=f"{name} is {listed}. The first is looked at here.")
