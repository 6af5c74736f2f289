"""Sessions that are refreshed, by either side, and those that nobody refreshes (RFC 4028)."""

import asyncio
from collections.abc import Callable

import pytest

from sautikitd.voice.sip.events import Acknowledged, Answered, Lost, Reinvite
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.timers import Cancellable
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import OUR_SDP, user_agent
from voice.sip.parties import Callee, place, until
from voice.sip.raw_peer import Headers, RawPeer

KNOWS_TIMER = ("Supported", "timer")


class Hurry:
    """Lets the long timers, those of a session, run two hundred times as fast."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Cancellable:
        return asyncio.get_running_loop().call_later(delay / 200 if delay >= 20 else delay, callback)


async def placed(agent: UserAgent, peer: RawPeer, *headers: tuple[str, str]) -> tuple[OutboundCall, Arrival]:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    peer.accept(invite, headers=headers)
    await until(call, Answered)
    await peer.request("ACK")
    return call, invite


async def taken(
    agent: UserAgent, callee: Callee, peer: RawPeer, headers: Headers
) -> tuple[InboundCall, Arrival]:
    peer.call(agent.bound[1], "INVITE", branch="a", headers=headers, body=OUR_SDP)
    call = await callee.call()
    await call.answer(OUR_SDP)
    answer = await peer.response()
    peer.call(agent.bound[1], "ACK", branch="b", to_tag=answer.to.tag)
    await until(call, Acknowledged)
    return call, answer


async def test_our_invite_asks_for_a_session_interval(agent: UserAgent, peer: RawPeer) -> None:
    await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    assert (invite.header("Session-Expires"), invite.header("Min-SE")) == ("1800", "90")
    assert "timer" in invite.listed("Supported")


async def test_a_422_raises_the_interval(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    first = await peer.request("INVITE")
    peer.answer(first, 422, headers=[("Min-SE", "3600")])
    second = await peer.request("INVITE")
    assert (second.header("Session-Expires"), second.header("Min-SE")) == ("3600", "3600")
    assert (second.cseq, call.state.attempt) == (first.cseq + 1, 2)


@pytest.mark.parametrize(("allow", "method"), [("INVITE, UPDATE", "UPDATE"), ("INVITE", "INVITE")])
async def test_we_refresh_with_what_the_far_end_knows(peer: RawPeer, allow: str, method: str) -> None:
    async with user_agent(scheduler=Hurry()) as agent:
        agreed = [("Session-Expires", "90;refresher=uac"), ("Require", "timer"), ("Allow", allow)]
        call, _ = await placed(agent, peer, *agreed)
        for _ in range(2):
            refresh = await peer.request(method)
            assert refresh.header("Session-Expires") == "90;refresher=uac"
            assert refresh.sdp == (OUR_SDP if method == "INVITE" else None)
            peer.answer(
                refresh, 200, headers=[("Session-Expires", "90;refresher=uac")], body=refresh.sdp or b""
            )
        assert not call.events.ended


async def test_a_changed_answer_to_our_refresh_is_told(peer: RawPeer) -> None:
    async with user_agent(scheduler=Hurry()) as agent:
        call, _ = await placed(agent, peer, ("Session-Expires", "90;refresher=uac"))
        for body in (OUR_SDP, OUR_SDP.replace(b"40000", b"40006")):
            peer.answer(await peer.request("INVITE"), 200, body=body)
        told = await until(call, Reinvite)
        assert (told.offer, told.answer, told.we_offered) == (body, OUR_SDP, True)


async def test_a_session_the_far_end_does_not_refresh_is_hung_up(peer: RawPeer) -> None:
    async with user_agent(scheduler=Hurry()) as agent:
        call, _ = await placed(agent, peer, ("Session-Expires", "90;refresher=uas"))
        await until(call, Lost)
        peer.answer(await peer.request("BYE"), 200)


async def test_a_refresh_that_finds_no_call_ends_ours(peer: RawPeer) -> None:
    async with user_agent(scheduler=Hurry()) as agent:
        call, _ = await placed(agent, peer, ("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE"))
        peer.answer(await peer.request("UPDATE"), 481)
        await until(call, Lost)


async def test_an_answer_without_an_interval_never_expires(peer: RawPeer) -> None:
    async with user_agent(scheduler=Hurry()) as agent:
        call, _ = await placed(agent, peer)
        assert await peer.silence(0.6)
        assert not call.events.ended


async def test_their_refreshes_keep_a_session_alive_and_their_absence_ends_it(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, scheduler=Hurry()) as agent:
        asked = [KNOWS_TIMER, ("Session-Expires", "90;refresher=uac")]
        call, answer = await taken(agent, callee, peer, asked)
        assert answer.header("Session-Expires") == "90;refresher=uac"
        assert answer.listed("Require") == ["timer"]
        for number in range(3):  # 0.3 s is when it would expire
            assert await peer.silence(0.2)
            tag = answer.to.tag
            peer.call(
                agent.bound[1], "UPDATE", branch=f"u{number}", cseq=2 + number, to_tag=tag, headers=asked
            )
            assert (await peer.response()).header("Session-Expires") == "90;refresher=uac"
        await until(call, Lost)
        await peer.request("BYE")


async def test_a_caller_who_leaves_it_to_us_is_refreshed(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, scheduler=Hurry()) as agent:
        asked = [KNOWS_TIMER, ("Session-Expires", "120;refresher=uas"), ("Allow", "UPDATE")]
        _, answer = await taken(agent, callee, peer, asked)
        assert answer.header("Session-Expires") == "120;refresher=uas"
        refresh = await peer.request("UPDATE")
        assert refresh.header("Session-Expires") == "120;refresher=uac"


async def test_a_proxy_that_asks_for_a_caller_without_timers_makes_us_refresh(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        _, answer = await taken(agent, callee, peer, [("Session-Expires", "600")])
        assert answer.header("Session-Expires") == "600;refresher=uas"
        assert answer.listed("Require") == []


async def test_an_interval_too_small_is_refused_with_the_least_we_take(peer: RawPeer) -> None:
    async with user_agent() as agent:
        asked = [KNOWS_TIMER, ("Session-Expires", "30")]
        peer.call(agent.bound[1], "INVITE", branch="a", headers=asked, body=OUR_SDP)
        refused = await peer.response()
        assert (refused.response.code, refused.header("Min-SE")) == (422, "90")


async def test_a_refresh_with_an_interval_too_small_is_refused(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        _, answer = await taken(agent, callee, peer, [])
        asked = [KNOWS_TIMER, ("Session-Expires", "30")]
        peer.call(agent.bound[1], "UPDATE", branch="u", cseq=2, to_tag=answer.to.tag, headers=asked)
        assert (await peer.response()).response.code == 422
