"""A called party hands the caller on by REFER: under the same guard as any dial, each leg charged by itself."""

import asyncio

from node.exchange import PATIENCE_S, hears, hears_tone, hung_up
from node.referrer import Referrer
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from simulators.carrier.far_side import Phone

AGENT, COLLEAGUE, _ = PARTIES
ANSWERED, COMPLETED = CallStatus.ANSWERED, CallStatus.COMPLETED


async def _bridged(board: Switchboard) -> tuple[Phone, Phone]:
    await board.route(forward_to=AGENT)
    caller = await board.exchange.call(NUMBER)
    agent = await (await board.exchange.ringing(AGENT)).answer()
    await caller.answered()
    await board.until_legs(ANSWERED)
    await _until_connected(agent, caller)
    return caller, agent


async def _until_connected(listener: Phone, speaker: Phone) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await hears(listener.peer, speaker.peer, 440):
            continue


def _by_number(calls: list[CallRecord]) -> dict[str, CallRecord]:
    return {call.to_address: call for call in calls}


async def test_the_agent_hands_the_caller_to_a_colleague_and_each_leg_is_charged(board: Switchboard) -> None:
    caller, agent = await _bridged(board)
    referrer = Referrer(agent)
    board.clock.advance(10)
    assert await referrer.refer_to(COLLEAGUE) == 202
    ringing = await board.exchange.ringing(COLLEAGUE)
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(caller.peer, 425):
            await asyncio.sleep(0.02)
    colleague = await ringing.answer()
    await hung_up(agent)
    await referrer.until_told("100 Trying", "200 OK")
    await board.until_legs(COMPLETED, ANSWERED)
    assert await hears(colleague.peer, caller.peer, 440)
    assert await hears(caller.peer, colleague.peer, 1000)
    board.clock.advance(20)
    await caller.sip.bye()
    await hung_up(colleague)
    await board.over()
    legs = _by_number(await board.until_all(COMPLETED))
    assert (legs[AGENT].billed_seconds, legs[AGENT].cost_minor) == (10, 50)
    assert (legs[COLLEAGUE].billed_seconds, legs[COLLEAGUE].cost_minor) == (20, 100)


async def test_when_the_colleague_does_not_answer_the_two_talk_on(board: Switchboard) -> None:
    caller, agent = await _bridged(board)
    referrer = Referrer(agent)
    assert await referrer.refer_to(COLLEAGUE) == 202
    (await board.exchange.ringing(COLLEAGUE)).refuse(486)
    await referrer.until_told("100 Trying", "486 Busy Here")
    await _until_connected(agent, caller)
    await caller.sip.bye()
    await hung_up(agent)
    await board.over()


async def test_nobody_is_handed_on_to_where_the_workspace_may_not_call(board: Switchboard) -> None:
    caller, agent = await _bridged(board)
    referrer = Referrer(agent)
    assert await referrer.refer_to("+12025550123") == 202
    await referrer.until_told("100 Trying", "603 Decline")
    assert len(await board.calls()) == 2
    await caller.sip.bye()
    await board.over()


async def test_an_outside_caller_hands_nobody_on(board: Switchboard) -> None:
    caller, agent = await _bridged(board)
    assert await Referrer(caller).refer_to(COLLEAGUE) == 603
    assert await hears(agent.peer, caller.peer, 440)
    await caller.sip.bye()
    await board.over()
