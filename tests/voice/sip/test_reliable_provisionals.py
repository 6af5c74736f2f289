"""Provisional answers that must not get lost: PRACK both ways (RFC 3262)."""

import asyncio

import pytest

from sautikitd.voice.sip.events import Acknowledged, Answered, Failed, Lost, Progress, Reinvite, RemoteBye
from sautikitd.voice.sip.provisional import Rack, read_rack
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import OUR_SDP, SippRunner, user_agent
from voice.sip.parties import Callee, place, until
from voice.sip.raw_peer import RawPeer

SDP_TYPE = [("Content-Type", "application/sdp")]
MOVED_SDP = OUR_SDP.replace(b"40000", b"40004")


def ring(peer: RawPeer, invite: Arrival, rseq: int, *, code: int = 180, body: bytes = b"") -> None:
    headers = [("Require", "100rel"), ("RSeq", str(rseq)), ("Contact", peer.contact)]
    peer.answer(invite, code, headers=headers, body=body)


def require(peer: RawPeer, port: int, body: bytes = OUR_SDP) -> None:
    peer.call(port, "INVITE", branch="a", headers=[("Require", "100rel")], body=body)


def prack(
    peer: RawPeer, port: int, provisional: Arrival, *, branch: str, cseq: int, body: bytes = b""
) -> None:
    rack = ("RAck", f"{provisional.header('RSeq')} 1 INVITE")
    tag = provisional.to.tag
    peer.call(port, "PRACK", branch=branch, cseq=cseq, to_tag=tag, headers=[rack, *SDP_TYPE], body=body)


@pytest.mark.parametrize("value", ["", "1 2", "x 1 INVITE", "1 2 INVITE 3", "12345678901 1 INVITE"])
def test_a_rack_that_names_nothing(value: str) -> None:
    assert read_rack(value) is None


def test_a_rack_is_read_as_it_is_written() -> None:
    assert read_rack(str(Rack(7, 2, "INVITE"))) == Rack(7, 2, "INVITE")


async def test_reliable_early_media_is_confirmed_and_its_sdp_is_the_answer(
    agent: UserAgent, run_sipp: SippRunner
) -> None:
    sipp = await run_sipp("uas_reliable_early_media")
    call = await place(agent, sipp.hop)
    progress = await until(call, Progress)
    assert progress.sdp is not None
    assert (await until(call, Answered)).sdp == progress.sdp
    await until(call, RemoteBye)
    await sipp.succeeded()
    assert agent.gauges.dialogs == 0


async def test_a_caller_who_requires_it_is_rung_reliably(run_sipp: SippRunner) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_requires_100rel", to=agent.bound[1])
        call = await callee.call()
        call.ring()
        await call.answer(OUR_SDP)
        await until(call, RemoteBye)
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


async def test_our_invite_says_that_we_can(agent: UserAgent, peer: RawPeer) -> None:
    await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    assert "100rel" in invite.listed("Supported")
    assert "PRACK" in invite.listed("Allow")


async def test_a_repeated_provisional_is_confirmed_and_told_once(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    ring(peer, invite, 9)
    ring(peer, invite, 9)
    first = await peer.request("PRACK")
    peer.answer(first, 200)
    ring(peer, invite, 11, code=183)  # 10 is missing: neither told nor confirmed
    ring(peer, invite, 10, code=181)
    second = await peer.request("PRACK")
    peer.answer(second, 200)
    assert [first.header("RAck"), second.header("RAck")] == ["9 1 INVITE", "10 1 INVITE"]
    assert [(await until(call, Progress)).code for _ in range(2)] == [180, 181]
    assert (first.cseq, second.cseq) == (2, 3)


async def test_the_dialog_goes_on_counting_after_its_pracks(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    ring(peer, invite, 1, code=183, body=OUR_SDP)
    peer.answer(await peer.request("PRACK"), 200)
    peer.answer(invite, 200, headers=[("Contact", peer.contact)])
    assert (await until(call, Answered)).sdp == OUR_SDP
    assert (await peer.request("ACK")).cseq == 1
    hanging_up = asyncio.create_task(call.bye())
    bye = await peer.request("BYE")
    assert bye.cseq == 3
    peer.answer(bye, 200)
    await hanging_up
    assert agent.gauges.dialogs == 0


async def test_an_update_before_the_answer_moves_the_early_media(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    ring(peer, invite, 1, code=183, body=OUR_SDP)
    confirmed = await peer.request("PRACK")
    peer.answer(confirmed, 200)
    peer.call_back(invite_to_us(confirmed, invite), "UPDATE", branch="u", cseq=1, body=MOVED_SDP)
    assert (await until(call, Reinvite)).offer == MOVED_SDP
    peer.accept(invite)  # repeats the description from before the UPDATE, which must not count
    assert (await until(call, Answered)).sdp == MOVED_SDP


def invite_to_us(prack_: Arrival, invite: Arrival) -> Arrival:
    """The PRACK, which has the tags of the dialog, with the Contact of the INVITE."""
    prack_.message.headers.set("Contact", invite.header("Contact"))
    return prack_


async def test_a_refused_call_leaves_no_early_dialog(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    ring(peer, invite, 1)
    peer.answer(await peer.request("PRACK"), 200)
    peer.answer(invite, 486)
    assert (await until(call, Failed)).code == 486
    assert agent.gauges.dialogs == 0


async def test_provisionals_are_repeated_and_wait_for_each_other(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        port = agent.bound[1]
        require(peer, port)
        call = await callee.call()
        call.ring(180)
        call.ring(183, OUR_SDP)
        first, again = await peer.response(), await peer.response()
        assert (first.response.code, first.header("RSeq")) == (180, again.header("RSeq"))
        prack(peer, port, first, branch="p", cseq=2)
        while (got := await peer.response()).method != "PRACK":
            pass
        assert got.response.code == 200
        second = await peer.response()
        assert int(second.header("RSeq")) == int(first.header("RSeq")) + 1
        assert second.response.code == 183


async def test_the_answer_waits_for_the_prack_of_a_description(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        port = agent.bound[1]
        require(peer, port)
        call = await callee.call()
        call.ring(183, OUR_SDP)
        early = await peer.response()
        answering = asyncio.create_task(call.answer(OUR_SDP))
        assert (await peer.response()).response.code == 183
        assert not answering.done()
        prack(peer, port, early, branch="p", cseq=2)
        assert await answering is not None


async def test_an_offer_in_a_prack_is_answered_in_its_200(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        port = agent.bound[1]
        require(peer, port)
        call = await callee.call()
        call.ring(183, OUR_SDP)
        prack(peer, port, await peer.response(), branch="p", cseq=2, body=MOVED_SDP)
        while (got := await peer.response()).method != "PRACK":
            pass
        assert (got.response.code, got.sdp is not None) == (200, True)
        assert (await until(call, Reinvite)).offer == MOVED_SDP


async def test_a_prack_of_nothing_gets_481(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        port = agent.bound[1]
        require(peer, port)
        call = await callee.call()
        call.ring()
        provisional = await peer.response()
        provisional.message.headers.set("RSeq", "1")
        prack(peer, port, provisional, branch="p", cseq=2)
        while (got := await peer.response()).method != "PRACK":
            pass
        assert got.response.code == 481


async def test_a_call_whose_provisional_nobody_confirms_is_over(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, timers=Timers(t1=0.01)) as agent:
        require(peer, agent.bound[1])
        call = await callee.call()
        call.ring(183, OUR_SDP)
        await until(call, Lost)
        while (got := await peer.response()).response.code == 183:
            pass
        assert got.response.code == 504
        assert await call.answer(OUR_SDP) is None
        assert agent.gauges.dialogs == 0


async def test_a_caller_without_offer_gets_no_reliable_ringing_but_our_offer_in_the_200(
    peer: RawPeer,
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        require(peer, agent.bound[1], body=b"")
        call = await callee.call()
        call.ring()
        await call.answer(OUR_SDP)
        answer = await peer.response()
        assert (answer.response.code, answer.sdp) == (200, OUR_SDP)
        tag = answer.to.tag
        peer.call(agent.bound[1], "ACK", branch="k", to_tag=tag, headers=SDP_TYPE, body=OUR_SDP)
        assert (await until(call, Acknowledged)).sdp == OUR_SDP
