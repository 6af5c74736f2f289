"""Whether a trunk answers, and if it does not, what is most likely wrong."""

import asyncio
import socket
from collections.abc import Sequence

import msgspec

from sautikitd.trunks.models import Transport, Trunk
from sautikitd.voice.sip import hops
from sautikitd.voice.sip.user_agent import UserAgent

PATIENCE_SECONDS = 5.0


class TrunkCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome. `code` is the SIP status of the answer to OPTIONS; any answer means that somebody is there."""

    name: str
    ok: bool
    addresses: Sequence[str]
    code: int | None = None
    milliseconds: float | None = None
    explanation: str


async def check_trunk(trunk: Trunk, *, patience: float = PATIENCE_SECONDS) -> TrunkCheck:
    """Resolves the host, connects where that means something, and sends an OPTIONS request (RFC 3261 §11)."""
    addresses = await _resolve(trunk.host, trunk.port)
    if not addresses:
        return _failed(
            trunk, addresses, f"The name {trunk.host} does not resolve: check its spelling and your DNS."
        )
    refused = await _connect(trunk, patience) if trunk.transport is Transport.TCP else None
    if refused:
        return _failed(trunk, addresses, refused)
    try:
        async with asyncio.timeout(patience):
            answer = await _ping(trunk, addresses[0])
    except TimeoutError:
        answer = None
    except OSError as exc:
        return _failed(trunk, addresses, f"This machine has no way to {addresses[0]}: {exc.strerror or exc}.")
    if answer is None:
        return _failed(
            trunk,
            addresses,
            f"No answer over {trunk.transport} from {addresses[0]}:{trunk.port} within {patience:g} s. Is the port right, "
            "does the carrier know this machine's address, and does a firewall let SIP through both ways?",
        )
    code, seconds = answer
    return TrunkCheck(
        name=trunk.name,
        ok=True,
        addresses=addresses,
        code=code,
        milliseconds=round(seconds * 1000, 1),
        explanation=_meaning(trunk, code),
    )


def _meaning(trunk: Trunk, code: int) -> str:
    if code in (401, 407):
        return (
            "It is there and asks who we are, as it should."
            if trunk.username
            else (
                "It is there and wants a username and password, which this trunk has not: add it again with --username."
            )
        )
    if code == 403:
        return "It is there but refuses us: the carrier has to allow this machine's address."
    if trunk.register and trunk.state != "registered":
        return f"It is there. The voice node's registration: {trunk.state} {trunk.state_detail}".rstrip()
    return "It is there."


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except socket.gaierror:
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _connect(trunk: Trunk, patience: float) -> str | None:
    """What is wrong with the TCP connection; None when it opens."""
    where = f"{trunk.host}:{trunk.port}"
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(trunk.host, trunk.port)
    except TimeoutError:
        return (
            f"No TCP connection to {where} within {patience:g} s: a firewall drops it, or nothing is there."
        )
    except ConnectionRefusedError:
        return f"{where} refuses TCP connections: nothing listens on that port. Is it UDP, or another port?"
    except OSError as exc:
        return f"No TCP connection to {where}: {exc.strerror or exc}."
    writer.close()
    await writer.wait_closed()
    return None


async def _ping(trunk: Trunk, address: str) -> tuple[int, float] | None:
    agent = UserAgent()
    await agent.start((_local_address_towards(address, trunk.port), 0))
    try:
        hop = hops.Hop(host=trunk.host, port=trunk.port, transport=hops.Transport(trunk.transport))
        pong = await agent.ping(hop)
    finally:
        await agent.stop()
    return None if pong is None else (pong.code, pong.seconds)


def _local_address_towards(address: str, port: int) -> str:
    """The address this machine would send from. Connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, port))
        return str(probe.getsockname()[0])


def _failed(trunk: Trunk, addresses: Sequence[str], explanation: str) -> TrunkCheck:
    return TrunkCheck(name=trunk.name, ok=False, addresses=addresses, explanation=explanation)
