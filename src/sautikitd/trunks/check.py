"""Whether a trunk works, and if it does not, what is most likely wrong: the steps of a call, tried one by one."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sautikitd.trunks import check_answers
from sautikitd.trunks.check_refusal import is_refused
from sautikitd.trunks.check_srv import by_srv
from sautikitd.trunks.check_tls import check_tls
from sautikitd.trunks.findings import Finding, OurSide, TrunkCheck, Verdict, concluded
from sautikitd.trunks.models import Transport, Trunk
from sautikitd.voice.sip import hops
from sautikitd.voice.sip.address import NameAddr, is_ip, sip_uri
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.srv import SrvLookup, look_up_srv
from sautikitd.voice.sip.stack import Outcome
from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.user_agent import UserAgent

PATIENCE_SECONDS = 5.0
_OWN_AUTHORITY = "own"


async def check_trunk(
    trunk: Trunk,
    *,
    password: str | None = None,
    ours: OurSide | None = None,
    patience: float = PATIENCE_SECONDS,
    srv_lookup: SrvLookup = look_up_srv,
) -> TrunkCheck:
    """DNS, TCP, TLS, SIP OPTIONS (RFC 3261 §11), the account, the clocks and our own address; stops where nothing
    further can be tried. The account is tried with `password`, without registering. `patience` is for each step."""
    findings: list[Finding] = []
    if trunk.srv and not is_ip(trunk.next_host):
        trunk, told = await by_srv(trunk, srv_lookup)
        findings.append(told)
    addresses = await _resolve(trunk.next_host, trunk.next_port)
    findings.append(_of_dns(trunk, addresses))
    if not addresses:
        return concluded(trunk.name, addresses, findings)
    if trunk.transport is not Transport.UDP:
        findings.append(await _connect(trunk, patience))
    if trunk.transport is Transport.TLS and findings[-1].verdict is Verdict.OK:
        findings.append(await check_tls(trunk, ours, patience))
    if findings[-1].verdict is Verdict.WRONG:
        return concluded(trunk.name, addresses, findings)
    try:
        async with _asking(trunk, addresses[0], ours) as asker:
            return await _ask(asker, trunk, password, ours, addresses, findings, patience)
    except OSError as exc:
        way = Finding(
            step="answer",
            verdict=Verdict.WRONG,
            found=f"This machine has no way to {addresses[0]}: {exc.strerror or exc}.",
            cure="Look at its routes and its firewall.",
        )
        return concluded(trunk.name, addresses, [*findings, way])


class _Asker:
    """Sends the carrier a request and says what came of it and how long that took."""

    def __init__(self, agent: UserAgent, trunk: Trunk, local: str) -> None:
        self._agent = agent
        self._trunk = trunk
        user, domain = trunk.from_user or trunk.username or "sautikit", trunk.from_domain
        self._sender = NameAddr(sip_uri(user, domain or local))
        self._account = NameAddr(sip_uri(user, domain or trunk.host))
        self._hop = hops.Hop(
            host=trunk.next_host,
            port=trunk.next_port,
            transport=hops.Transport(trunk.transport),
            name=trunk.tls_name or "",
            trust=_OWN_AUTHORITY if trunk.tls_ca else "",
        )
        self._target = sip_uri("", trunk.host, trunk.port)

    async def options(self, patience: float) -> tuple[Outcome, float] | None:
        """None when nobody answered."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(patience):
                outcome = await self._agent.request(
                    "OPTIONS", target=self._target, hop=self._hop, local=self._sender
                )
        except TimeoutError:
            return None
        return (outcome, time.monotonic() - started) if outcome.response else None

    async def account(self, password: str | None, patience: float) -> Finding:
        """REGISTER without Contact: it asks what is registered, and changes nothing (RFC 3261 §10.2.3)."""
        first = await self._bindings(None, patience)
        second = None
        if first.code in (401, 407) and password and self._trunk.username:
            credentials = Credentials(username=self._trunk.username, password=password)
            second = await self._bindings(Authorizer(credentials), patience)
        return check_answers.of_credentials(self._trunk, first, second)

    async def _bindings(self, authorizer: Authorizer | None, patience: float) -> Outcome:
        try:
            async with asyncio.timeout(patience):
                return await self._agent.request(
                    "REGISTER",
                    target=self._target,
                    hop=self._hop,
                    local=self._account,
                    remote=self._account,
                    authorizer=authorizer,
                    contact=False,
                )
        except TimeoutError:
            return Outcome(408, "no answer")


async def _ask(
    asker: _Asker,
    trunk: Trunk,
    password: str | None,
    ours: OurSide | None,
    addresses: Sequence[str],
    findings: Sequence[Finding],
    patience: float,
) -> TrunkCheck:
    answered = await asker.options(patience)
    if (
        answered is None
        and trunk.transport is Transport.UDP
        and await is_refused(addresses[0], trunk.next_port)
    ):
        refused = Finding(
            step="answer",
            verdict=Verdict.WRONG,
            found=f"{addresses[0]} is there and refuses: nothing listens on its UDP port {trunk.next_port}.",
            cure="Is it another port, or TCP or TLS?",
        )
        return concluded(trunk.name, addresses, [*findings, refused])
    if answered is None:
        silence = Finding(
            step="answer",
            verdict=Verdict.WRONG if trunk.ping else Verdict.WARNING,
            found=f"No answer over {trunk.transport} from {addresses[0]}:{trunk.next_port} within {patience:g} s.",
            cure="Is the port right, does the carrier know this machine's public address, and does a firewall let SIP "
            "through both ways? If calls do go through, the carrier ignores OPTIONS: say so with --no-ping.",
        )
        return concluded(trunk.name, addresses, [*findings, silence])
    outcome, seconds = answered
    assert outcome.response is not None
    found = [*findings, check_answers.of_options(trunk, outcome, seconds)]
    if trunk.username:
        found.append(await asker.account(password, patience))
    if ours:
        found.append(check_answers.of_our_address(addresses[0], outcome.response, ours))
    found.extend(check_answers.of_clock(outcome.response))
    found.append(_of_nodes(trunk))
    return concluded(trunk.name, addresses, found, outcome.code, seconds)


@asynccontextmanager
async def _asking(trunk: Trunk, address: str, ours: OurSide | None) -> AsyncIterator[_Asker]:
    local = _local_address_towards(address, trunk.next_port)
    agent = UserAgent()
    options = TlsOptions(authorities=ours.authorities if ours else None)
    await agent.start((local, 0), tls=options)
    try:
        agent.trust({_OWN_AUTHORITY: trunk.tls_ca} if trunk.tls_ca else {})
        yield _Asker(agent, trunk, local)
    finally:
        await agent.stop()


def _of_dns(trunk: Trunk, addresses: Sequence[str]) -> Finding:
    if not addresses:
        return Finding(
            step="name",
            verdict=Verdict.WRONG,
            found=f"The name {trunk.next_host} does not resolve.",
            cure="Check its spelling and your DNS; or use the carrier's IP address.",
        )
    if is_ip(trunk.next_host):
        return Finding(step="name", found=f"{trunk.next_host} is an address.")
    return Finding(step="name", found=f"{trunk.next_host} is {', '.join(addresses)}.")


def _of_nodes(trunk: Trunk) -> Finding:
    """What the voice nodes last saw, who look more often and register."""
    seen = f"{trunk.state}: {trunk.state_detail}".rstrip(": ")
    verdict = Verdict.WARNING if trunk.state == "failed" else Verdict.OK
    cure = "A voice node sees it differently than this machine does." if verdict is Verdict.WARNING else ""
    if not trunk.enabled:
        return Finding(
            step="voice nodes",
            verdict=Verdict.WARNING,
            found="The trunk is disabled.",
            cure="sautikitd trunk edit NAME --enable",
        )
    return Finding(step="voice nodes", verdict=verdict, found=seen, cure=cure)


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _connect(trunk: Trunk, patience: float) -> Finding:
    where = f"{trunk.next_host}:{trunk.next_port}"

    def wrong(found: str, cure: str) -> Finding:
        return Finding(step="connection", verdict=Verdict.WRONG, found=found, cure=cure)

    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(trunk.next_host, trunk.next_port)
    except TimeoutError:
        return wrong(
            f"No TCP connection to {where} within {patience:g} s: a firewall drops it, or nothing is there.",
            "Ask the carrier whether it has allowed this machine's public address.",
        )
    except ConnectionRefusedError:
        return wrong(
            f"{where} refuses TCP connections: nothing listens on that port.", "Is it UDP, or another port?"
        )
    except OSError as exc:
        return wrong(f"No TCP connection to {where}: {exc.strerror or exc}.", "Look at routes and firewall.")
    writer.close()
    await writer.wait_closed()
    return Finding(step="connection", found=f"{where} takes TCP connections.")


def _local_address_towards(address: str, port: int) -> str:
    """The address this machine would send from. Connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, port))
        return str(probe.getsockname()[0])
