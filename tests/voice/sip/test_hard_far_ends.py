"""What carriers do that costs money or calls where it goes wrong, with SIPp as the far end."""

import asyncio

import pytest

from sautikitd.calls.outcomes import HangupCause
from sautikitd.node.trunks.numbers import called_number, caller_of
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import Acknowledged, Answered, Failed, Info, Progress, Reinvite, RemoteBye
from sautikitd.voice.sip.hops import Transport
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import OUR_SDP, SippRunner, user_agent
from voice.sip.manual_timers import ManualScheduler
from voice.sip.parties import Callee, place, until


async def test_of_two_phones_that_answer_the_second_is_hung_up_on_at_once(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_forks", transport)
    call = await place(agent, sipp.hop)
    assert (await until(call, Answered)).dialog.remote_tag == "one"
    await until(call, RemoteBye)  # which he says once the other has been hung up on
    await sipp.succeeded()
    assert agent.gauges.dialogs == 0


@pytest.mark.parametrize("loose", [True, False], ids=["loose", "strict"])
async def test_requests_go_by_the_proxies_that_recorded_themselves(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport, loose: bool
) -> None:
    target, proxy = "sip:sipp@127[^ ]*", f"sip:127[^ ;]*;transport={transport.upper()}"
    sipp = await run_sipp(
        "uas_records_routes",
        transport,
        loose=";lr" if loose else "",
        uri=target if loose else proxy,
        route=f".{proxy};lr.*far.example;lr" if loose else f".sip:far.example;lr.*{target}",
    )
    call = await place(agent, sipp.hop)
    await until(call, Answered)
    assert await call.bye() == 200
    await sipp.succeeded()


async def test_a_caller_who_leaves_the_offers_to_us_is_answered_in_his_ack(
    run_sipp: SippRunner, transport: Transport
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_delays_offers", transport, to=agent.bound[1], first=40_010, second=40_020)
        call = await callee.call()
        assert call.offer is None
        await call.answer(OUR_SDP)
        answer = (await until(call, Acknowledged)).sdp
        assert sdp.parse(answer or b"").port == 40_010
        moved = await until(call, Reinvite)
        assert (sdp.parse(moved.offer or b"").port, moved.we_offered) == (40_020, True)
        assert await call.bye() == 200
        await sipp.succeeded()


async def test_an_invite_through_three_proxies_is_answered_by_all_of_them(
    run_sipp: SippRunner, transport: Transport
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_through_proxies", transport, to=agent.bound[1])
        call = await callee.call()
        await call.answer(OUR_SDP)
        await until(call, Acknowledged)
        assert await call.bye() == 200
        await sipp.succeeded()


async def test_a_nonce_that_went_stale_is_answered_anew(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_stale_nonce", transport)
    call = await place(agent, sipp.hop, Credentials("sautikit", "secret"))
    await until(call, Answered)
    assert call.state.attempt == 3
    assert await call.bye() == 200
    await sipp.succeeded()


async def test_keys_come_by_info_in_both_of_its_forms(run_sipp: SippRunner, transport: Transport) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_sends_info_keys", transport, to=agent.bound[1])
        call = await callee.call()
        await call.answer(OUR_SDP)
        assert [(await until(call, Info)).digit for _ in range(3)] == ["5", "#", None]
        await until(call, RemoteBye)
        await sipp.succeeded()


async def test_an_answer_long_after_our_cancel_is_hung_up_on_until_that_is_heard(
    agent: UserAgent, run_sipp: SippRunner
) -> None:
    sipp = await run_sipp("uas_answers_late")
    call = await place(agent, sipp.hop)
    await until(call, Progress)
    await call.cancel()
    assert (await until(call, Failed)).cause is HangupCause.CANCELED
    await sipp.succeeded()


async def test_we_refresh_the_session_where_the_far_end_wants_us_to(run_sipp: SippRunner) -> None:
    clock = ManualScheduler()
    async with user_agent(scheduler=clock) as agent:
        sipp = await run_sipp("uas_has_us_refresh", Transport.TCP)
        call = await place(agent, sipp.hop)
        await until(call, Answered)
        assert call.dialog is not None
        clock.advance(46)  # past half of it
        async with asyncio.timeout(5):
            while call.dialog.state.local_cseq < 2:
                await asyncio.sleep(0.005)
        clock.advance(44)  # it had been over, but for the refresh
        assert not call.events.ended
        assert await call.bye() == 200
        await sipp.succeeded()


async def test_a_far_end_that_refreshes_by_an_empty_reinvite_keeps_the_call(run_sipp: SippRunner) -> None:
    clock = ManualScheduler()
    async with user_agent(scheduler=clock) as agent:
        sipp = await run_sipp("uas_refreshes", Transport.TCP)
        call = await place(agent, sipp.hop)
        await until(call, Answered)
        assert (await until(call, Reinvite)).we_offered
        clock.advance(46)
        assert not call.events.ended
        assert await call.bye() == 200
        await sipp.succeeded()


async def test_what_an_update_changes_before_the_answer_counts_after_it(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_updates_early", transport, moved=40_030)
    call = await place(agent, sipp.hop)
    assert (await until(call, Progress)).code == 183
    moved = await until(call, Reinvite)
    assert sdp.parse(moved.offer or b"").port == 40_030
    answered = await until(call, Answered)
    assert sdp.parse(answered.sdp or b"").port == 40_030
    assert await call.bye() == 200
    await sipp.succeeded()


async def test_an_offer_beside_isup_and_a_ported_number_are_understood(
    run_sipp: SippRunner, transport: Transport
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_carries_isup", transport, to=agent.bound[1])
        call = await callee.call()
        called = called_number(call, None)
        assert called is not None
        assert (called.e164, caller_of(call)) == ("+254709000001", ("+254711000001", "KE"))
        assert sdp.parse(call.offer or b"").codecs
        await call.answer(OUR_SDP)
        await until(call, RemoteBye)
        await sipp.succeeded()
