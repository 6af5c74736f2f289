"""Calls ended by another process than the one that began them."""

import asyncio

import msgspec

from sautikitd.voice.sip.causes import Reason
from sautikitd.voice.sip.dialog import DialogState
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import Acknowledged, Answered, Progress, RemoteBye
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.invites import InviteState
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import OUR_SDP, SippRunner, user_agent
from voice.sip.parties import Callee, place, until
from voice.sip.raw_peer import RawPeer


async def test_a_new_agent_on_the_same_port_hangs_up_from_the_stored_state(run_sipp: SippRunner) -> None:
    sipp = await run_sipp("uas_answer")
    async with user_agent() as first:
        answered = await until(await place(first, sipp.hop), Answered)
        port = first.bound[1]
    json = msgspec.json.encode(answered.dialog)
    async with user_agent(port=port) as second:
        assert await second.bye_detached(msgspec.json.decode(json, type=DialogState)) == 200
        assert second.gauges.dialogs == 0
    await sipp.succeeded()


async def test_a_call_over_tcp_is_hung_up_over_another_connection() -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as far:
        hop = Hop(host="127.0.0.1", port=far.bound[1], transport=Transport.TCP)
        async with user_agent() as first:
            placed = await place(first, hop)
            taken = await callee.call()
            await taken.answer(OUR_SDP)
            answered = await until(placed, Answered)
            await until(taken, Acknowledged)
        async with user_agent() as second:
            assert await second.bye_detached(answered.dialog) == 200
        await until(taken, RemoteBye)


async def test_a_detached_bye_answers_a_challenge(run_sipp: SippRunner) -> None:
    sipp = await run_sipp("uas_digest")
    known = Credentials("sautikit", "secret")
    async with user_agent() as first:
        answered = await until(await place(first, sipp.hop, known), Answered)
        port = first.bound[1]
    async with user_agent(port=port) as second:  # SIPp answers to the port that called
        assert await second.bye_detached(answered.dialog, credentials=known) == 200
    await sipp.succeeded()


async def test_an_inbound_call_is_hung_up_from_its_stored_state(
    agent: UserAgent, run_sipp: SippRunner
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as first:
        sipp = await run_sipp("uac_waits_for_bye", to=first.bound[1])
        call = await callee.call()
        state = await call.answer(OUR_SDP)
        await until(call, Acknowledged)
        port = first.bound[1]
    assert state is not None
    async with user_agent(port=port) as second:
        assert await second.bye_detached(state, reason=Reason("Q.850", 41, "node lost")) == 200
    await sipp.succeeded()


async def test_nobody_answers_a_detached_bye(peer: RawPeer) -> None:
    async with user_agent(timers=Timers(t1=0.005, t2=0.04, t4=0.02)) as agent:
        call = await place(agent, peer.hop)
        peer.accept(await peer.request("INVITE"))
        answered = await until(call, Answered)
        peer.close()
        assert await agent.bye_detached(answered.dialog) is None


async def test_a_stored_invite_is_cancelled_and_its_487_acknowledged(run_sipp: SippRunner) -> None:
    sipp = await run_sipp("uas_cancelled")
    async with user_agent() as first:
        call = await place(first, sipp.hop)
        await until(call, Progress)
        json = msgspec.json.encode(call.state)
        port = first.bound[1]
    async with user_agent(port=port) as second:
        state = msgspec.json.decode(json, type=InviteState)
        assert await second.cancel_detached(state) == 200
        await sipp.succeeded()


async def test_a_detached_cancel_finds_the_attempt_made_after_the_state_was_stored(
    agent: UserAgent, peer: RawPeer
) -> None:
    call = await place(agent, peer.hop)
    state = call.state
    await peer.request("INVITE")
    canceling = asyncio.create_task(agent.cancel_detached(state.at(1)))
    branches = []
    for code in (481, 200):
        cancel = await peer.request("CANCEL")
        branches.append((cancel.via.branch, cancel.cseq))
        peer.answer(cancel, code)
    assert await canceling == 200
    assert branches == [(f"{state.branch}.3", 3), (f"{state.branch}.2", 2)]


async def test_an_answer_that_crosses_a_detached_cancel_is_acknowledged_and_hung_up(peer: RawPeer) -> None:
    async with user_agent() as first:
        call = await place(first, peer.hop)
        invite = await peer.request("INVITE")
        port = first.bound[1]
    async with user_agent(port=port) as second:
        canceling = asyncio.create_task(second.cancel_detached(call.state))
        for code in (481, 481, 200):
            peer.answer(await peer.request("CANCEL"), code)
        assert await canceling == 200
        peer.accept(invite)
        await peer.request("ACK")
        peer.answer(await peer.request("BYE"), 200)
