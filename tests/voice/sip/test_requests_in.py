"""Requests that are no call, wrong, doubled, or hostile."""

import asyncio
import random

import pytest

from sautikitd.voice.sip.admission import Admit, Ignore, Verdict
from sautikitd.voice.sip.events import Acknowledged, Answered, Canceled, Failed, Info, Reinvite
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.sdp import Direction
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.user_agent import Gauges, UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import OUR_SDP, user_agent
from voice.sip.parties import Callee, place, until
from voice.sip.raw_peer import Headers, RawPeer


async def test_options_are_answered_with_what_we_allow(agent: UserAgent, peer: RawPeer) -> None:
    peer.call(agent.bound[1], "OPTIONS", branch="a")
    response = await peer.response()
    assert response.response.code == 200
    assert "INVITE" in response.header("Allow")
    assert response.to.tag


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("SUBSCRIBE", [], 405),
        ("FROBNICATE", [], 501),
        ("BYE", [], 481),
        ("CANCEL", [], 481),
        ("INVITE", [("Require", "100rel, x")], 420),
        ("INVITE", [("Content-Type", "text/plain")], 415),
        ("INVITE", [], 480),
    ],
)
async def test_what_we_do_not_do_is_refused(
    agent: UserAgent, peer: RawPeer, method: str, headers: Headers, code: int
) -> None:
    body = OUR_SDP if method == "INVITE" else b""
    peer.call(agent.bound[1], method, branch="a", headers=headers, body=body)
    assert (await peer.response()).response.code == code


@pytest.mark.parametrize(
    ("method", "headers", "body", "code"),
    [
        ("UPDATE", [("Require", "timer, precondition")], b"", 420),
        ("INVITE", [("Content-Type", "text/plain")], b"hello", 415),
        ("BYE", [("Require", "precondition")], b"", 200),
    ],
)
async def test_nor_in_a_call_but_for_its_end(
    peer: RawPeer, method: str, headers: Headers, body: bytes, code: int
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
        call = await callee.call()
        await call.answer(OUR_SDP)
        tag = (await peer.response()).to.tag
        peer.call(agent.bound[1], "ACK", branch="b", to_tag=tag)
        await until(call, Acknowledged)
        peer.call(agent.bound[1], method, branch="c", cseq=2, to_tag=tag, headers=headers, body=body)
        while (refusal := await peer.response(to=method)).cseq != 2:
            pass  # the answer may have come again
        assert refusal.response.code == code
        assert refusal.header("Unsupported") == ("precondition" if code == 420 else "")


async def test_a_request_of_no_dialog_we_know_gets_481(agent: UserAgent, peer: RawPeer) -> None:
    peer.call(agent.bound[1], "BYE", branch="a", to_tag="unknown")
    assert (await peer.response()).response.code == 481


async def test_an_ack_of_nothing_gets_no_answer(agent: UserAgent, peer: RawPeer) -> None:
    peer.call(agent.bound[1], "ACK", branch="a", to_tag="unknown")
    assert await peer.silence()


async def test_an_invite_that_came_two_ways_is_merged(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        peer.call(agent.bound[1], "INVITE", branch="first", body=OUR_SDP)
        await callee.call()
        peer.call(agent.bound[1], "INVITE", branch="second", body=OUR_SDP)
        assert (await peer.response()).response.code == 482
        assert callee.waiting == 0


async def test_screened_sources_hear_nothing(peer: RawPeer) -> None:
    async with user_agent(screen=lambda request: request.source.host != "127.0.0.1") as agent:
        for method in ("OPTIONS", "INVITE", "REGISTER", "CANCEL", "BYE"):
            peer.call(agent.bound[1], method, branch=method)
        assert await peer.silence()
        assert agent.gauges.transactions == 0


async def test_a_cseq_of_another_method_is_a_bad_request(agent: UserAgent, peer: RawPeer) -> None:
    text = f"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bKq\r\n"
    text += "From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n"
    peer.send(text.encode(), agent.bound[1])
    assert (await peer.response()).response.code == 400


async def test_an_exception_in_the_handler_rejects_the_call(peer: RawPeer) -> None:
    async def broken(call: InboundCall) -> None:
        raise RuntimeError("a fault of ours")

    async with user_agent(on_invite=broken) as agent:
        peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
        assert (await peer.response()).response.code == 500


async def test_a_handler_answers_requests_its_authenticator_admits(peer: RawPeer) -> None:
    class Doorman:
        async def authenticate(self, request: Arrival) -> Verdict:
            return Admit(request.from_.user) if request.header("X-Known") else Ignore()

    def register(transaction: ServerTransaction, identity: str | None) -> None:
        transaction.respond(reply(transaction.arrival, 200, f"Hello {identity}", to_tag="r"))

    async with user_agent(authenticator=Doorman(), handlers={"REGISTER": register}) as agent:
        peer.call(agent.bound[1], "REGISTER", branch="a")
        assert await peer.silence()
        peer.call(agent.bound[1], "REGISTER", branch="b", cseq=2, headers=[("X-Known", "yes")])
        assert (await peer.response()).response.phrase == "Hello +254711000001"


async def answered_call(agent: UserAgent, callee: Callee, peer: RawPeer) -> tuple[InboundCall, str]:
    peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
    call = await callee.call()
    await call.answer(OUR_SDP)
    tag = (await peer.response()).to.tag or ""
    peer.call(agent.bound[1], "ACK", branch="b", to_tag=tag)
    await until(call, Acknowledged)
    return call, tag


async def test_info_brings_digits(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await answered_call(agent, callee, peer)
        relay = [("Content-Type", "application/dtmf-relay")]
        body = b"Signal=11\r\nDuration=160\r\n"
        peer.call(agent.bound[1], "INFO", branch="c", cseq=2, to_tag=tag, headers=relay, body=body)
        info = await until(call, Info)
        assert (info.digit, info.duration_ms) == ("#", 160)
        assert (await peer.response()).response.code == 200


async def test_requests_out_of_order_are_refused(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        _, tag = await answered_call(agent, callee, peer)
        peer.call(agent.bound[1], "OPTIONS", branch="c", cseq=5, to_tag=tag)
        assert (await peer.response(to="OPTIONS")).response.code == 200
        peer.call(agent.bound[1], "BYE", branch="d", cseq=4, to_tag=tag)
        assert (await peer.response(to="BYE")).response.code == 500


async def test_a_wrong_tag_is_another_dialog(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await answered_call(agent, callee, peer)
        peer.call(agent.bound[1], "BYE", branch="c", cseq=2, to_tag=tag.upper() + "x")
        assert (await peer.response(to="BYE")).response.code == 481
        assert not call.events.ended


async def test_a_bye_while_ringing_ends_the_call_as_given_up(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
        call = await callee.call()
        call.ring()
        tag = (await peer.response()).to.tag
        peer.call(agent.bound[1], "BYE", branch="b", cseq=2, to_tag=tag)
        await until(call, Canceled)
        assert {(await peer.response()).response.code for _ in range(2)} == {200, 487}


async def test_an_update_is_answered_by_the_handler_of_offers(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await answered_call(agent, callee, peer)

        async def answer(offer: bytes) -> bytes:
            return offer.replace(b"40000", b"40002")

        call.dialog.on_offer = answer
        sdp_type = [("Content-Type", "application/sdp")]
        peer.call(agent.bound[1], "UPDATE", branch="c", cseq=2, to_tag=tag, headers=sdp_type, body=OUR_SDP)
        assert b"40002" in (await peer.response()).message.body
        assert (await until(call, Reinvite)).direction is Direction.SENDRECV


async def test_a_refresh_without_sdp_changes_nothing(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await answered_call(agent, callee, peer)
        peer.call(agent.bound[1], "INVITE", branch="c", cseq=2, to_tag=tag)
        response = await peer.response()
        assert (response.response.code, response.sdp) == (200, OUR_SDP)
        sdp_type = [("Content-Type", "application/sdp")]
        peer.call(agent.bound[1], "ACK", branch="d", cseq=2, to_tag=tag, headers=sdp_type, body=OUR_SDP)
        assert (await until(call, Reinvite)).offer == OUR_SDP


async def test_an_offer_we_cannot_take_gets_488_and_the_call_goes_on(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await answered_call(agent, callee, peer)
        video = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n"
        peer.call(agent.bound[1], "INVITE", branch="c", cseq=2, to_tag=tag, body=video)
        assert (await peer.response()).response.code == 488
        assert not call.events.ended


async def test_offers_that_meet_are_refused_with_491(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    peer.accept(invite)
    await until(call, Answered)
    assert call.dialog is not None
    changing = asyncio.create_task(call.dialog.reinvite(OUR_SDP))
    ours = await peer.request("INVITE")
    peer.call_back(ours, "INVITE", branch="glare", cseq=1, body=OUR_SDP)
    assert (await peer.response()).response.code == 491
    peer.accept(ours)
    await peer.request("ACK")
    assert (await changing).ok


async def test_an_invite_without_offer_gets_ours_and_answers_it_in_the_ack(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        peer.call(agent.bound[1], "INVITE", branch="a")
        call = await callee.call()
        assert (call.offer, call.reachable) == (None, False)
        await call.answer(OUR_SDP)
        tag = (await peer.response()).to.tag
        peer.call(agent.bound[1], "ACK", branch="b", to_tag=tag, body=OUR_SDP)
        assert (await until(call, Acknowledged)).sdp == OUR_SDP
        assert call.reachable


async def test_a_stopping_agent_ends_every_call_and_every_wait(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        taken, _ = await answered_call(agent, callee, peer)
        placed = await place(agent, peer.hop)
        hanging_up = asyncio.create_task(taken.bye())
        await peer.request("BYE")
    assert await hanging_up is None
    assert (await until(placed, Failed)).local
    assert agent.gauges == Gauges(0, 0, 0)


async def test_damaged_requests_and_answers_leave_the_agent_whole(peer: RawPeer) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    rng = random.Random(4475)
    async with user_agent() as agent:
        for number in range(400):
            method = rng.choice(["INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "REGISTER"])
            data = bytearray(peer.written(agent.bound[1], method, branch=f"d{number}", body=OUR_SDP))
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(len(data))] = rng.choice(b'\r\n :;<>"=,@%0aZ\xff\x00')
            peer.send(bytes(data), agent.bound[1])
            if number % 25 == 0:  # still alive, and not faster than the sockets can take
                peer.call(agent.bound[1], "OPTIONS", branch=f"alive{number}", call_id=f"alive{number}")
                while (await peer.response()).call_id != f"alive{number}":
                    pass
    assert faults == []
