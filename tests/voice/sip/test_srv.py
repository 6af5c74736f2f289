"""A trunk by its domain: SRV records, the next machine when one is dead, the name itself where there are none."""

import asyncio
import random
from collections import Counter

import pytest

from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.events import Answered, Failed, Silent
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.srv import SrvAnswer, SrvLookup, SrvRecord, in_order, look_up_srv, srv_name
from sautikitd.voice.sip.targets import Targets
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.dns_server import name_server
from voice.sip.far_end import FAST, OUR_SDP
from voice.sip.parties import until
from voice.sip.raw_peer import raw_peer

DOMAIN = "carrier.example"
HOP = Hop(host=DOMAIN, srv=True)


def _answering(*ports: int) -> SrvLookup:
    """Each port a machine of this host, the first preferred."""
    records = tuple(
        SrvRecord(host="127.0.0.1", port=port, priority=number) for number, port in enumerate(ports)
    )

    async def look_up(name: str) -> SrvAnswer:
        assert name == "_sip._udp.carrier.example"
        return SrvAnswer(records)

    return look_up


async def _call(agent: UserAgent, *, patience: float | None = None) -> OutboundCall:
    prepared = agent.prepare_invite(
        target=f"sip:+254711000001@{DOMAIN}", hop=HOP, local=NameAddr("sip:+254709000001@sautikit.example")
    )
    return await agent.send_invite(prepared, OUR_SDP, patience=patience)


async def _agent(lookup: SrvLookup) -> UserAgent:
    agent = UserAgent(srv_lookup=lookup, timers=FAST)
    await agent.start(("127.0.0.1", 0))
    return agent


async def test_the_records_of_a_name_server_are_read() -> None:
    zone = {
        "_sip._udp.carrier.example": ["10 60 5060 sip1.carrier.example.", "20 0 5070 sip2.carrier.example."],
        "_sips._tcp.carrier.example": ["0 0 0 ."],  # decidedly not there (RFC 2782)
        "_sip._tcp.carrier.example": [],
    }
    async with name_server(zone) as resolver:
        found = await look_up_srv(srv_name(DOMAIN, Transport.UDP), resolver)
        assert set(found.records) == {
            SrvRecord(host="sip1.carrier.example", port=5060, priority=10, weight=60),
            SrvRecord(host="sip2.carrier.example", port=5070, priority=20, weight=0),
        }
        assert found.seconds == 60
        for transport in (Transport.TLS, Transport.TCP):
            assert (await look_up_srv(srv_name(DOMAIN, transport), resolver)).records == ()
        assert (await look_up_srv(srv_name("other.example", Transport.UDP), resolver)).records == ()
    with pytest.raises(OSError, match="DNS does not say"):  # the server has gone
        await look_up_srv("_sip._udp.carrier.example", resolver)


async def test_the_lowest_priority_goes_first_and_weights_share() -> None:
    heavy, light, spare = (
        SrvRecord(host=name, port=5060, priority=priority, weight=weight)
        for name, priority, weight in (("heavy", 1, 30), ("light", 1, 10), ("spare", 2, 100))
    )
    orders = [in_order((spare, light, heavy), random.Random(seed)) for seed in range(400)]
    leads = Counter(order[0].host for order in orders)
    assert all(order[2] is spare for order in orders)
    assert 250 < leads["heavy"] < 350


async def test_what_dns_does_not_say_now_is_as_it_was_and_a_name_without_records_is_a_host() -> None:
    now, answers = [0.0], [SrvAnswer((SrvRecord(host="127.0.0.9", port=5070),))]

    async def look_up(_: str) -> SrvAnswer:
        if not answers:
            raise OSError("no DNS today")
        return answers.pop()

    targets = Targets(lambda: now[0], look_up)
    assert [(one.host, one.port) for one in await targets.of(HOP, six=False)] == [("127.0.0.9", 5070)]
    now[0] = 400
    assert [(one.host, one.name) for one in await targets.of(HOP, six=False)] == [("127.0.0.9", DOMAIN)]
    answers.append(SrvAnswer())
    now[0] = 800
    (found,) = await targets.of(Hop(host="localhost", port=5080, srv=True), six=False)
    assert (found.host, found.port, found.name) == ("127.0.0.1", 5080, "localhost")


async def test_options_of_a_dead_machine_is_asked_of_the_next_and_calls_go_there_at_once() -> None:
    async with raw_peer() as dead, raw_peer() as alive:
        agent = await _agent(_answering(dead.port, alive.port))
        try:
            pinging = asyncio.create_task(agent.ping(HOP, patience=1.0))
            alive.answer(await alive.request("OPTIONS"), 200)
            assert await pinging is not None
            assert (await dead.request("OPTIONS")).request.method == "OPTIONS"
            call = await _call(agent)
            alive.accept(await alive.request("INVITE"))
            await until(call, Answered)
        finally:
            await agent.stop()


@pytest.mark.parametrize("silent", [True, False], ids=["says nothing", "answers 503"])
async def test_a_call_goes_on_to_the_next_machine_as_the_same_call(silent: bool) -> None:
    async with raw_peer() as first, raw_peer() as second:
        agent = await _agent(_answering(first.port, second.port))
        try:
            call = await _call(agent, patience=0.2 if silent else None)
            refused = await first.request("INVITE")
            if not silent:
                first.answer(refused, 503)
            invite = await second.request("INVITE")
            assert invite.call_id == refused.call_id
            assert (invite.cseq, invite.via.branch) != (refused.cseq, refused.via.branch)
            second.accept(invite)
            await until(call, Answered)
        finally:
            await agent.stop()


@pytest.mark.parametrize("code", [180, 200])
async def test_a_machine_that_wakes_up_late_is_called_off(code: int) -> None:
    async with raw_peer() as sleeper, raw_peer() as second:
        agent = await _agent(_answering(sleeper.port, second.port))
        try:
            call = await _call(agent, patience=0.2)
            late = await sleeper.request("INVITE")
            invite = await second.request("INVITE")
            if code == 180:
                sleeper.answer(late, 180)
                cancel = await sleeper.request("CANCEL")
                assert (cancel.via.branch, cancel.cseq) == (late.via.branch, late.cseq)
            else:
                sleeper.accept(late, tag="late")
                await sleeper.request("ACK")
                sleeper.answer(await sleeper.request("BYE"), 200)
            second.accept(invite)
            assert (await until(call, Answered)).dialog.remote_tag == "peer"
        finally:
            await agent.stop()


async def test_when_no_machine_is_left_the_silence_is_told() -> None:
    async with raw_peer() as first, raw_peer() as second:
        agent = await _agent(_answering(first.port, second.port))
        try:
            call = await _call(agent, patience=0.2)
            await until(call, Silent)
            await second.request("INVITE")
            await call.cancel()
            assert (await until(call, Failed)).cause == "canceled"
        finally:
            await agent.stop()


async def test_busy_is_the_callee_and_no_reason_to_try_another_machine() -> None:
    async with raw_peer() as first, raw_peer() as second:
        agent = await _agent(_answering(first.port, second.port))
        try:
            call = await _call(agent)
            first.answer(await first.request("INVITE"), 486)
            assert (await until(call, Failed)).code == 486
            assert await second.silence(0.1)
        finally:
            await agent.stop()
