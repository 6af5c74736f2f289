"""Hang-ups that meet an answer on its way."""

import asyncio

from sipmessage import Request

from sautikitd.voice.sip.events import Answered, RemoteBye
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival, arrival, read_message, write_message
from voice.sip.far_end import OUR_SDP, user_agent
from voice.sip.parties import Callee, place, until
from voice.sip.raw_peer import RawPeer

HASTY = Timers(t1=0.01, t2=0.08, t4=0.05)


def _answered_and_ended(invite: Arrival) -> bytes:
    """A 200 and, behind it, the BYE of the same dialog."""
    response = reply(invite, 200, to_tag="far")
    response.headers.set("Contact", "<sip:far@127.0.0.1;transport=tcp>")
    response.headers.set("Content-Type", "application/sdp")
    response.body = OUR_SDP
    bye = [
        f"BYE {invite.header('Contact').strip('<>')} SIP/2.0",
        "Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKbye",
        f"From: {invite.header('To')};tag=far",
        f"To: {invite.header('From')}",
        f"Call-ID: {invite.call_id}",
        "CSeq: 1 BYE",
        "Content-Length: 0",
    ]
    return write_message(response) + "\r\n".join(bye).encode() + b"\r\n\r\n"


async def test_a_bye_in_one_piece_with_the_answer_ends_the_call(agent: UserAgent) -> None:
    """Else it would go on, and be billed, until a minute without a packet had passed."""
    told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        invite = arrival(read_message(head.replace(b"Content-Length", b"X-Length")), _SOMEWHERE)
        assert isinstance(invite.message, Request)
        writer.write(_answered_and_ended(invite))
        seen = b""
        while b"CSeq: 1 BYE" not in seen:
            seen += await reader.read(4096)
        told.set_result(seen)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        call = await place(agent, Hop(host="127.0.0.1", port=port, transport=Transport.TCP))
        await until(call, Answered)
        await until(call, RemoteBye)
        async with asyncio.timeout(5):
            seen = await told
    assert b"\r\nACK sip:" in b"\r\n" + seen
    assert b"SIP/2.0 481" not in seen
    assert agent.gauges.dialogs == 0


_SOMEWHERE = Source(Transport.TCP, "127.0.0.1", 5060)


async def _answered(peer: RawPeer, agent: UserAgent, callee: Callee) -> tuple[InboundCall, str | None]:
    peer.call(agent.bound[1], "INVITE", branch="a", body=OUR_SDP)
    call = await callee.call()
    await call.answer(OUR_SDP)
    return call, (await peer.response()).to.tag


async def test_who_may_not_know_of_our_answer_is_not_hung_up_on_before_his_ack(peer: RawPeer) -> None:
    """RFC 3261 §15: a BYE for a call that he does not have yet would be refused, and he would go on hearing it ring."""
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await _answered(peer, agent, callee)
        hanging_up = asyncio.create_task(call.bye())
        assert (await peer.response()).response.code == 200  # the first was lost
        peer.call(agent.bound[1], "ACK", branch="b", to_tag=tag)
        peer.answer(await peer.request("BYE"), 200)
        assert await hanging_up == 200
        assert call.open_dialogs == []


async def test_whose_ack_never_comes_is_hung_up_on_in_the_end(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, timers=HASTY) as agent:
        call, _ = await _answered(peer, agent, callee)
        hanging_up = asyncio.create_task(call.bye())
        peer.answer(await peer.request("BYE"), 200)
        assert await hanging_up == 200
        assert agent.gauges.dialogs == 0


async def test_who_hangs_up_while_we_wait_for_his_ack_is_asked_nothing_more(peer: RawPeer) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        call, tag = await _answered(peer, agent, callee)
        hanging_up = asyncio.create_task(call.bye())
        peer.call(agent.bound[1], "BYE", branch="c", cseq=2, to_tag=tag)
        assert await hanging_up is None
        assert call.open_dialogs == []
        assert agent.gauges.dialogs == 0
