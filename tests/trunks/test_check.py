"""`trunk check` against far ends that are away, closed, shy, strict, impostors, or far from our clock."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ports import free_port
from sautikitd.ids import uuid7
from sautikitd.trunks.check import check_trunk
from sautikitd.trunks.check_answers import of_clock, of_our_address
from sautikitd.trunks.findings import Finding, OurSide, TrunkCheck, Verdict
from sautikitd.trunks.models import Transport, Trunk, TrunkState
from sautikitd.voice.sip.admission import Admit, DigestVerifier, Refuse
from sautikitd.voice.sip.admission import Verdict as Admission
from sautikitd.voice.sip.digest import ha1
from sautikitd.voice.sip.hops import Source
from sautikitd.voice.sip.hops import Transport as HopTransport
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.srv import SrvAnswer, SrvRecord
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival, arrival, read_message
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, user_agent
from voice.sip.raw_peer import raw_peer

REALM = "carrier.example"
HERE = OurSide(advertised="127.0.0.1")


def trunk(port: int, **terms: Any) -> Trunk:
    usual: dict[str, Any] = {
        "id": uuid7(),
        "name": "ke",
        "host": "127.0.0.1",
        "state": TrunkState.UNKNOWN,
        "state_detail": "",
        "state_at": None,
        "created_at": datetime.now(UTC),
    }
    return Trunk(**{**usual, "port": port, **terms})


async def check(port: int, password: str | None = None, patience: float = 1.0, **terms: Any) -> TrunkCheck:
    return await check_trunk(trunk(port, **terms), password=password, ours=HERE, patience=patience)


def wrong(outcome: TrunkCheck) -> Finding:
    """The one thing that is wrong."""
    assert not outcome.ok
    (found,) = [one for one in outcome.findings if one.verdict is Verdict.WRONG]
    return found


class Registrar:
    """Lets `duka` in with the password `siri`, by digest; `refuses` everybody before asking."""

    def __init__(self, *, refuses: int | None = None) -> None:
        self._digest = DigestVerifier(REALM)
        self._refuses = refuses
        self.contacts: list[str] = []

    async def authenticate(self, request: Arrival) -> Admission:
        if self._refuses:
            return Refuse(self._refuses)
        params = self._digest.read(request)
        if params is None:
            return self._digest.demand()
        secrets = {"SHA-256": ha1("duka", REALM, "siri", "SHA-256")}
        return self._digest.check(request, params, secrets) or Admit("duka")

    def register(self, transaction: ServerTransaction, _: str | None) -> None:
        self.contacts += transaction.arrival.listed("Contact")
        transaction.respond(reply(transaction.arrival, 200, to_tag="registrar"))


@asynccontextmanager
async def carrier(registrar: Registrar) -> AsyncIterator[int]:
    async with user_agent(authenticator=registrar, handlers={"REGISTER": registrar.register}) as agent:
        yield agent.bound[1]


async def test_a_name_that_does_not_resolve() -> None:
    found = wrong(await check(5060, host="no-such-carrier.invalid"))
    assert (found.step, "does not resolve" in found.found) == ("name", True)


async def test_a_udp_port_where_nobody_listens_is_told_from_one_that_is_only_silent() -> None:
    port = free_port()
    outcome = await check(port, patience=0.3)
    found = wrong(outcome)
    assert found.found == f"127.0.0.1 is there and refuses: nothing listens on its UDP port {port}."


async def test_a_domain_leads_to_the_first_of_its_machines() -> None:
    async def look_up(name: str) -> SrvAnswer:
        assert name == "_sip._udp.localhost"
        return SrvAnswer((SrvRecord(host="127.0.0.1", port=far.bound[1], priority=10, weight=5),))

    async with user_agent() as far:
        asked = trunk(5060, host="localhost", srv=True)
        outcome = await check_trunk(asked, ours=HERE, patience=1.0, srv_lookup=look_up)
    assert outcome.ok
    assert f"127.0.0.1:{far.bound[1]} (priority 10, weight 5)" in outcome.findings[0].found


async def test_a_tcp_port_where_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        found = wrong(await check(held.getsockname()[1], transport=Transport.TCP))
    assert "nothing listens on that port" in found.found


async def test_silence_names_firewall_and_address() -> None:
    async with raw_peer() as peer:
        found = wrong(await check(peer.port, patience=0.3))
    assert found.found.startswith("No answer over udp")
    assert "firewall" in found.cure


async def test_a_trunk_that_is_well() -> None:
    async with user_agent() as agent:
        outcome = await check(agent.bound[1])
    assert outcome.ok
    assert outcome.code == 200
    assert [one.step for one in outcome.findings] == ["name", "answer", "our address", "voice nodes"]


async def test_a_right_password_is_taken_and_nothing_is_registered() -> None:
    registrar = Registrar()
    async with carrier(registrar) as port:
        outcome = await check(port, "siri", username="duka", register=True)
    assert outcome.ok
    account = next(one for one in outcome.findings if one.step == "account")
    assert account.found == f"The carrier takes username duka in the realm “{REALM}”."
    assert registrar.contacts == []


async def test_a_wrong_password_is_told_with_the_realm() -> None:
    async with carrier(Registrar()) as port:
        found = wrong(await check(port, "wrong", username="duka", register=True))
    assert found.found == f"It refuses username duka in the realm “{REALM}”: 403 Forbidden."


async def test_an_account_that_is_refused_before_it_is_asked() -> None:
    async with carrier(Registrar(refuses=403)) as port:
        found = wrong(await check(port, "siri", username="duka", register=True))
    assert found.found == "It refuses us before asking for a password: 403 Forbidden."


async def test_a_carrier_that_forbids_our_address() -> None:
    async with raw_peer() as peer:

        async def refuse() -> None:
            peer.answer(await peer.request("OPTIONS"), 403)

        answering = asyncio.ensure_future(refuse())
        found = wrong(await check(peer.port))
        await answering
    assert "has to allow this machine's public address" in found.cure


@asynccontextmanager
async def tls_carrier(authority: Authority, name: str) -> AsyncIterator[int]:
    agent = UserAgent(timers=FAST)
    await agent.start(("127.0.0.1", 0), tls=authority.options(name))
    try:
        yield agent.bound_tls or 0
    finally:
        await agent.stop()


async def test_a_certificate_that_is_believed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with tls_carrier(authority, "sip.carrier.example") as port:
        own: dict[str, Any] = {"tls_ca": authority.file.read_text(), "tls_name": "sip.carrier.example"}
        outcome = await check(port, transport=Transport.TLS, **own)
    assert outcome.ok
    found = next(one for one in outcome.findings if one.step == "certificate")
    assert found.found.startswith("proves sip.carrier.example, valid until")
    assert found.verdict is Verdict.WARNING  # it ends in an hour


async def test_a_certificate_of_another_name_is_told_with_its_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with tls_carrier(authority, "other.example") as port:
        own: dict[str, Any] = {"tls_ca": authority.file.read_text(), "tls_name": "sip.carrier.example"}
        found = wrong(await check(port, transport=Transport.TLS, **own))
    assert found.found == "Its certificate is for other.example, not for sip.carrier.example."


async def test_a_certificate_that_nobody_vouches_for_names_the_issuer(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "Carriers Own CA")
    async with tls_carrier(authority, "127.0.0.1") as port:
        found = wrong(await check(port, transport=Transport.TLS))
    assert "vouched for by CN=Carriers Own CA" in found.found
    assert "--tls-ca" in found.cure


async def test_a_port_that_speaks_plain_sip_is_no_tls_port() -> None:
    async with user_agent() as agent:
        found = wrong(await check(agent.bound[1], transport=Transport.TLS))
    assert found.step == "certificate"


def _answer(*lines: str) -> Arrival:
    head = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKa{}\r\n"
    text = (
        head.format(lines[0])
        + "From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
    )
    return arrival(
        read_message((text + "".join(lines[1:]) + "\r\n").encode()),
        Source(HopTransport.UDP, "196.201.1.1", 5060),
    )


@pytest.mark.parametrize(
    ("advertised", "seen", "verdict", "words"),
    [
        ("10.0.0.5", ";received=41.80.1.2", Verdict.WRONG, "SAUTIKIT_SIP_ADVERTISE=41.80.1.2"),
        ("41.80.1.9", ";received=41.80.1.2", Verdict.WARNING, "the address it sees"),
        ("41.80.1.2", ";received=41.80.1.2", Verdict.OK, ""),
        ("sip.duka.example", ";received=41.80.1.2", Verdict.OK, ""),
    ],
)
def test_the_address_we_advertise_is_held_against_the_one_the_carrier_saw(
    advertised: str, seen: str, verdict: Verdict, words: str
) -> None:
    found = of_our_address("196.201.1.1", _answer(seen), OurSide(advertised=advertised))
    assert found.verdict is verdict
    assert words in found.cure


def test_a_clock_that_is_wrong_is_told() -> None:
    early = datetime.now(UTC) - timedelta(minutes=10)
    dated = _answer("", f"Date: {early:%a, %d %b %Y %H:%M:%S} GMT\r\n")
    (found,) = of_clock(dated)
    assert "ahead of the carrier's" in found.found
    assert list(of_clock(_answer(""))) == []
