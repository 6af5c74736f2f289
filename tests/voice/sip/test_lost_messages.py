"""What packet loss, forks and odd far ends do to our calls."""

import asyncio

import pytest

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.events import Acknowledged, Answered, Failed, Lost, Progress, RemoteBye
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import OUR_SDP, user_agent
from voice.sip.parties import Callee, place, until
from voice.sip.raw_peer import RawPeer, raw_peer

HASTY = Timers(t1=0.01, t2=0.08, t4=0.05)  # 64*T1 is 0.64 s


async def test_a_lost_invite_is_sent_again(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    first, second = await peer.request("INVITE"), await peer.request("INVITE")
    assert first.via.branch == second.via.branch
    peer.accept(second)
    await until(call, Answered)


async def test_a_repeated_200_is_acknowledged_again(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    peer.accept(invite)
    lost = await peer.request("ACK")
    peer.accept(invite)
    again = await peer.request("ACK")
    assert (lost.cseq, lost.via.branch) == (again.cseq, again.via.branch)
    await until(call, Answered)
    assert not call.events.ended


async def test_a_lost_bye_is_sent_again(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    peer.accept(await peer.request("INVITE"))
    await until(call, Answered)
    hanging_up = asyncio.create_task(call.bye())
    await peer.request("BYE")
    peer.answer(await peer.request("BYE"), 200)
    assert await hanging_up == 200


async def test_a_fork_that_answers_second_is_acknowledged_and_hung_up(
    agent: UserAgent, peer: RawPeer
) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    peer.answer(invite, 180, tag="one", headers=[("Contact", peer.contact)])
    peer.answer(invite, 183, tag="two", headers=[("Contact", peer.contact)], body=OUR_SDP)
    assert [(await until(call, Progress)).remote_tag for _ in range(2)] == ["one", "two"]
    peer.accept(invite, tag="one")
    assert (await until(call, Answered)).dialog.remote_tag == "one"
    peer.accept(invite, tag="two")
    bye = await peer.request("BYE")
    assert bye.to.tag == "two"
    peer.answer(bye, 200)
    assert not call.events.ended


async def test_the_early_sdp_stands_in_for_a_200_without_one(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    peer.answer(invite, 183, headers=[("Contact", peer.contact)], body=OUR_SDP)
    peer.answer(invite, 200, headers=[("Contact", peer.contact)])
    assert (await until(call, Answered)).sdp == OUR_SDP


async def test_a_contact_with_capital_transport_gets_its_bye(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    odd = f"<sip:peer@127.0.0.1:{peer.port};transport=UDP;x-odd=a%20b;ob>;expires=60"
    peer.accept(await peer.request("INVITE"), contact=odd)
    await until(call, Answered)
    hanging_up = asyncio.create_task(call.bye())
    bye = await peer.request("BYE")
    assert str(bye.request.uri) == f"sip:peer@127.0.0.1:{peer.port};transport=UDP;x-odd=a%20b;ob"
    peer.answer(bye, 200)
    assert await hanging_up == 200


async def test_requests_take_the_recorded_route(agent: UserAgent, peer: RawPeer) -> None:
    async with raw_peer() as proxy:
        call = await place(agent, peer.hop)
        routes = f"<sip:far.example;lr>, <sip:127.0.0.1:{proxy.port};lr;x=1>"
        peer.accept(await peer.request("INVITE"), headers=[("Record-Route", routes)])
        ack = await proxy.request("ACK")
        assert ack.listed("Route") == [f"<sip:127.0.0.1:{proxy.port};lr;x=1>", "<sip:far.example;lr>"]
        assert str(ack.request.uri) == f"sip:peer@127.0.0.1:{peer.port}"
        assert (await until(call, Answered)).dialog.hop.port == proxy.port


async def test_a_strict_router_stands_in_the_request_uri(agent: UserAgent, peer: RawPeer) -> None:
    async with raw_peer() as proxy:
        await place(agent, peer.hop)
        peer.accept(await peer.request("INVITE"), headers=[("Record-Route", f"<sip:127.0.0.1:{proxy.port}>")])
        ack = await proxy.request("ACK")
        assert str(ack.request.uri) == f"sip:127.0.0.1:{proxy.port}"
        assert ack.listed("Route") == [f"<sip:peer@127.0.0.1:{peer.port}>"]


async def test_no_answer_at_all_is_a_local_timeout(peer: RawPeer) -> None:
    async with user_agent(timers=HASTY) as agent:
        failed = await until(await place(agent, peer.hop), Failed)
        assert (failed.code, failed.local, failed.cause) == (408, True, HangupCause.TIMEOUT)


async def test_a_name_that_leads_nowhere_is_a_network_error(agent: UserAgent) -> None:
    failed = await until(await place(agent, Hop(host="no-such-trunk.invalid")), Failed)
    assert (failed.code, failed.local, failed.cause) == (503, True, HangupCause.NETWORK_ERROR)


async def test_a_redirect_hands_its_contacts_up_the_liked_ones_first(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    contact = ("Contact", "<sip:a@x.example>;q=0.1, <sip:b@x.example>;q=0.9, sip:c@x.example, nonsense")
    peer.answer(await peer.request("INVITE"), 302, headers=[contact])
    failed = await until(call, Failed)
    assert failed.contacts == ("sip:c@x.example", "sip:b@x.example", "sip:a@x.example")
    assert failed.cause is HangupCause.REDIRECTED


async def test_a_200_without_ack_is_repeated_and_then_hung_up(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, timers=HASTY) as agent:
        peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
        call = await callee.call()
        await call.answer(OUR_SDP)
        assert [(await peer.response()).response.code for _ in range(3)] == [200, 200, 200]
        assert (await until(call, Lost)).cause is HangupCause.TIMEOUT
        peer.answer(await peer.request("BYE"), 200)


async def test_a_repeated_invite_gets_the_200_once_more_and_no_second_call(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
        call = await callee.call()
        peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
        await call.answer(OUR_SDP)
        tag = (await peer.response()).to.tag
        peer.call(agent.bound[1], "ACK", branch="b", to_tag=tag)
        await until(call, Acknowledged)
        peer.call(agent.bound[1], "BYE", branch="c", cseq=2, to_tag=tag)
        await until(call, RemoteBye)
        assert callee.waiting == 0


@pytest.mark.parametrize("code", [481, 408])
async def test_a_bye_to_a_call_that_is_gone_ends_it(agent: UserAgent, peer: RawPeer, code: int) -> None:
    call = await place(agent, peer.hop)
    peer.accept(await peer.request("INVITE"))
    await until(call, Answered)
    hanging_up = asyncio.create_task(call.bye())
    peer.answer(await peer.request("BYE"), code)
    assert await hanging_up == code
    assert agent.gauges.dialogs == 0
