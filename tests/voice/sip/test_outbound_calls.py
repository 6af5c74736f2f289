"""Calls we place, against SIPp."""

import pytest

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.causes import Reason
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import Answered, Failed, Progress, Reinvite, RemoteBye
from sautikitd.voice.sip.hops import Transport
from sautikitd.voice.sip.sdp import Direction, parse
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import SippRunner
from voice.sip.parties import place, until


async def test_we_hang_an_answered_call_up(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_answer", transport)
    call = await place(agent, sipp.hop)
    assert (await until(call, Progress)).code == 180
    answered = await until(call, Answered)
    assert answered.sdp is not None
    assert answered.dialog.hop == sipp.hop
    assert [c.name for c in parse(answered.sdp).codecs] == ["PCMA", "PCMU", "telephone-event"]
    assert await call.bye() == 200
    assert await call.next_event() is None
    await sipp.succeeded()
    assert agent.gauges.dialogs == 0


async def test_early_media_then_the_far_end_hangs_up(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_early_media_and_bye", transport)
    call = await place(agent, sipp.hop)
    progress = await until(call, Progress)
    assert (progress.code, progress.sdp is not None) == (183, True)
    assert (await until(call, Answered)).sdp is not None
    assert (await until(call, RemoteBye)).cause is HangupCause.NORMAL_CLEARING
    await sipp.succeeded()
    assert agent.gauges.dialogs == 0


@pytest.mark.parametrize(
    ("code", "q850", "cause"),
    [
        (486, 17, HangupCause.USER_BUSY),
        (603, 21, HangupCause.CALL_REJECTED),
        (480, 19, HangupCause.NO_ANSWER),
        (404, 1, HangupCause.UNALLOCATED_NUMBER),
        (503, 1, HangupCause.UNALLOCATED_NUMBER),
    ],
)
async def test_a_refusal_says_why(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport, code: int, q850: int, cause: HangupCause
) -> None:
    sipp = await run_sipp("uas_refuse", transport, code=code, q850=q850)
    failed = await until(await place(agent, sipp.hop), Failed)
    assert (failed.code, failed.cause, failed.local) == (code, cause, False)
    assert failed.reasons == (Reason("Q.850", q850, "from sipp"),)
    await sipp.succeeded()


async def test_a_ringing_call_is_cancelled(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_cancelled", transport)
    call = await place(agent, sipp.hop)
    await until(call, Progress)
    await call.cancel()
    failed = await until(call, Failed)
    assert (failed.code, failed.cause, failed.local) == (487, HangupCause.CANCELED, False)
    await sipp.succeeded()


async def test_a_cancel_before_any_answer_waits_for_one(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_cancelled", transport)
    call = await place(agent, sipp.hop)
    await call.cancel()
    assert (await until(call, Failed)).cause is HangupCause.CANCELED
    await sipp.succeeded()


async def test_an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_answer_crosses_cancel", transport)
    call = await place(agent, sipp.hop)
    await until(call, Progress)
    await call.cancel()
    assert (await until(call, Failed)).cause is HangupCause.CANCELED
    await sipp.succeeded()
    assert agent.gauges.dialogs == 0


async def test_invite_and_bye_answer_digest_challenges(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_digest", transport)
    call = await place(agent, sipp.hop, Credentials("sautikit", "secret"))
    await until(call, Answered)
    assert call.state.attempt == 2
    assert await call.bye() == 200
    await sipp.succeeded()


async def test_a_wrong_password_fails_after_one_retry(agent: UserAgent, run_sipp: SippRunner) -> None:
    sipp = await run_sipp("uas_digest")
    failed = await until(await place(agent, sipp.hop, Credentials("sautikit", "wrong")), Failed)
    assert failed.code == 403


async def test_a_challenge_without_credentials_is_a_trunk_failure(
    agent: UserAgent, run_sipp: SippRunner
) -> None:
    sipp = await run_sipp("uas_refuse", code=401, q850=0)
    failed = await until(await place(agent, sipp.hop), Failed)
    assert (failed.code, failed.cause) == (401, HangupCause.TRUNK_FAILURE)


async def test_the_far_end_puts_us_on_hold(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_holds", transport)
    call = await place(agent, sipp.hop)
    held = await until(call, Reinvite)
    assert held.direction is Direction.SENDONLY
    assert held.answer is not None
    assert parse(held.answer).direction is Direction.RECVONLY
    await until(call, RemoteBye)
    await sipp.succeeded()


async def test_a_redirect_is_handed_up_and_not_followed(agent: UserAgent, run_sipp: SippRunner) -> None:
    sipp = await run_sipp("uas_redirects")
    call = await place(agent, sipp.hop)
    failed = await until(call, Failed)
    assert (failed.code, failed.cause) == (302, HangupCause.REDIRECTED)
    assert failed.contacts == (
        "sip:+254711000003@127.0.0.9:5099;transport=tcp",
        "sip:+254711000002@127.0.0.9:5099",
    )
    await sipp.succeeded()  # it has our ACK
    assert agent.gauges.dialogs == 0


async def test_an_interval_that_is_too_small_is_made_longer(
    agent: UserAgent, run_sipp: SippRunner, transport: Transport
) -> None:
    sipp = await run_sipp("uas_wants_longer_sessions", transport)
    call = await place(agent, sipp.hop)
    await until(call, Answered)
    assert call.dialog is not None
    assert call.dialog.session.terms is not None
    assert (call.dialog.session.terms.seconds, call.dialog.session.terms.we_refresh) == (3600, True)
    assert await call.bye() == 200
    await sipp.succeeded()
