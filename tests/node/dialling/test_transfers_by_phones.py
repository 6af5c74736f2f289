"""A desk phone hands on whom it talks with: blind by REFER, attended by REFER with Replaces (RFC 3891, RFC 5589)."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears, hung_up, reoffer, until_heard, until_music
from node.referrer import Referrer
from node.room_party import nothing_left, press_and_hold
from node.softphone import Softphone, credential, softphone
from node.switchboard import NUMBER, PARTIES, Switchboard, switchboard
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.roles import voice
from sautikitd.voice.media_pool import MediaPool
from simulators.carrier.far_side import Phone

FIRST, SECOND, THIRD = PARTIES
COMPLETED = CallStatus.COMPLETED


@pytest_asyncio.fixture
async def desk(board: Switchboard) -> AsyncIterator[Softphone]:
    async with softphone(board) as phone:
        await phone.register()
        yield phone


async def _calls(desk: Softphone, board: Switchboard, number: str) -> tuple[Phone, Phone]:
    """The desk phone's end, and whom it has called."""
    board.clock.advance(2)  # a call a second
    near = await desk.dial(number)
    far = await (await board.exchange.ringing(number)).answer()
    await near.answered()
    await _connected(near, far)
    return near, far


async def _connected(one: Phone, other: Phone) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await hears(one.peer, other.peer, 440) and await hears(other.peer, one.peer, 1000)):
            continue


async def _until_alone(board: Switchboard, *left: str) -> None:
    """The calls that are still going on go to these numbers."""
    async with asyncio.timeout(PATIENCE_S):
        while sorted(c.to_address for c in await board.calls() if not c.status.terminal) != sorted(left):
            await asyncio.sleep(0.02)


def _legs(calls: list[CallRecord]) -> dict[str, CallRecord]:
    return {call.to_address: call for call in calls if call.parent_call_id}


async def test_a_phone_hands_whom_it_called_to_a_third_and_each_leg_is_charged(
    board: Switchboard, desk: Softphone
) -> None:
    near, far = await _calls(desk, board, FIRST)
    board.clock.advance(10)
    referrer = Referrer(near)
    assert await referrer.refer_to(SECOND) == 202
    third = await (await board.exchange.ringing(SECOND)).answer()
    await hung_up(near)
    await referrer.until_told("100 Trying", "200 OK")
    await _until_alone(board, FIRST, SECOND)
    await _connected(far, third)
    board.clock.advance(20)
    await far.sip.bye()
    await hung_up(third)
    calls = await board.until_all(COMPLETED)
    root, legs = calls[0], _legs(calls)
    assert (root.billed_seconds, root.cost_minor) == (10, 0)
    assert (legs[FIRST].billed_seconds, legs[FIRST].cost_minor) == (30, 150)
    assert (legs[SECOND].billed_seconds, legs[SECOND].cost_minor) == (20, 100)
    assert {leg.parent_call_id for leg in legs.values()} == {root.id}
    assert await board.balance() == (10_000 - 250, 0)


async def test_a_phone_that_hangs_up_at_once_has_handed_on_all_the_same(
    board: Switchboard, desk: Softphone
) -> None:
    near, far = await _calls(desk, board, FIRST)
    assert await Referrer(near).refer_to(SECOND) == 202
    ringing = await board.exchange.ringing(SECOND)
    await near.sip.bye()
    await _until_alone(board, FIRST, SECOND)
    third = await ringing.answer()
    await _connected(far, third)
    await third.sip.bye()
    await hung_up(far)
    await board.until_all(COMPLETED)


@pytest.mark.parametrize("stays", [True, False])
async def test_when_the_third_is_busy_the_two_talk_on_unless_the_phone_has_gone(
    board: Switchboard, desk: Softphone, stays: bool
) -> None:
    near, far = await _calls(desk, board, FIRST)
    referrer = Referrer(near)
    assert await referrer.refer_to(SECOND) == 202
    ringing = await board.exchange.ringing(SECOND)
    if not stays:
        await near.sip.bye()
        await _until_alone(board, FIRST, SECOND)
    ringing.refuse(486)
    if stays:
        await referrer.until_told("100 Trying", "486 Busy Here")
        await _connected(near, far)
        await near.sip.bye()
    await hung_up(far)
    await _until_alone(board)


async def test_nobody_is_handed_on_by_a_phone_to_where_the_workspace_may_not_call(
    board: Switchboard, desk: Softphone
) -> None:
    near, far = await _calls(desk, board, FIRST)
    referrer = Referrer(near)
    assert await referrer.refer_to("+12025550123") == 202
    await referrer.until_told("100 Trying", "603 Decline")
    await _connected(near, far)
    assert len(await board.calls()) == 2
    await near.sip.bye()
    await hung_up(far)
    await _until_alone(board)


async def test_who_was_handed_on_can_be_handed_on_again(board: Switchboard, desk: Softphone) -> None:
    near, far = await _calls(desk, board, FIRST)
    assert await Referrer(near).refer_to(SECOND) == 202
    second = await (await board.exchange.ringing(SECOND)).answer()
    await hung_up(near)
    await _connected(far, second)
    assert await Referrer(second).refer_to(THIRD) == 202
    third = await (await board.exchange.ringing(THIRD)).answer()
    await hung_up(second)
    await _connected(far, third)
    await third.sip.bye()
    await hung_up(far)
    calls = await board.until_all(COMPLETED)
    assert {leg.parent_call_id for leg in _legs(calls).values()} == {calls[0].id}


async def _rung_and_consults(board: Switchboard, desk: Softphone) -> tuple[Phone, Phone, Phone, Phone]:
    """A caller, the desk phone that took his call, its second call, and whom it asks there."""
    caller = await board.exchange.call(NUMBER)
    rung = await (await desk.ringing()).answer()
    await caller.answered()
    await _connected(rung, caller)
    asking, asked = await _calls(desk, board, SECOND)
    return caller, rung, asking, asked


async def _put_together(
    referring: Phone, replaced: Phone, one: Phone, other: Phone, target: str = SECOND
) -> None:
    referrer = Referrer(referring)
    assert await referrer.refer_to(target, replaces=replaced) == 202
    await hung_up(referring)
    await hung_up(replaced)
    await referrer.until_told("100 Trying", "200 OK")
    await _connected(one, other)


async def test_a_caller_is_put_together_with_whom_the_agent_has_asked_and_his_flow_goes_on_after(
    board: Switchboard, desk: Softphone
) -> None:
    flow: list[object] = [{"dial": {"client": desk.username, "action": "/after"}}]
    async with callback_server(voice=[flow], after=[[{"pause": {"length": 300}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller, rung, asking, asked = await _rung_and_consults(board, desk)
        board.clock.advance(10)
        await _put_together(rung, asking, caller, asked)
        await _until_alone(board, NUMBER, SECOND)
        board.clock.advance(20)
        await asked.sip.bye()
        await _until_alone(board, NUMBER)
        async with asyncio.timeout(PATIENCE_S):
            while not (forms := [one.form for one in server.asked if one.path == "/after"]):
                await asyncio.sleep(0.02)
        await caller.sip.bye()
        calls = await board.until_all(COMPLETED)
    (leg,) = (call for call in calls if call.to_address == SECOND and call.parent_call_id)
    assert (leg.billed_seconds, leg.cost_minor) == (30, 150)
    assert (forms[0]["dialStatus"], forms[0]["dialCallId"]) == ("completed", str(leg.id))


async def test_two_whom_a_phone_has_called_are_put_together(board: Switchboard, desk: Softphone) -> None:
    near, far = await _calls(desk, board, FIRST)
    asking, asked = await _calls(desk, board, SECOND)
    await _put_together(near, asking, far, asked)
    await _until_alone(board, FIRST, SECOND)
    await far.sip.bye()
    await hung_up(asked)
    calls = await board.until_all(COMPLETED)
    assert len(calls) == 4
    assert (await board.balance())[1] == 0


async def test_two_who_have_called_the_phone_are_put_together_and_both_flows_go_on(
    board: Switchboard, desk: Softphone
) -> None:
    flow: list[object] = [{"dial": {"client": desk.username, "action": "/after"}}]
    async with callback_server(voice=[flow, flow], after=[[], []]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        one = await board.exchange.call(NUMBER)
        first = await (await desk.ringing()).answer()
        await one.answered()
        await _connected(first, one)
        other = await board.exchange.call(NUMBER, "+254733000002")
        second = await (await desk.ringing()).answer()
        await other.answered()
        await _connected(second, other)
        await _put_together(first, second, one, other, "+254733000002")
        await one.sip.bye()
        await hung_up(other)
        await board.until_all(COMPLETED)
        forms = [asked.form for asked in server.asked if asked.path == "/after"]
    assert [form["dialStatus"] for form in forms] == ["completed"]  # the other has hung up


async def test_the_parties_may_be_on_different_media_processes_and_are_bridged_in_full(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "MediaPool", partial(MediaPool, size=2))
    async with switchboard(database_url, tmp_path, funds=10_000) as board, softphone(board) as desk:
        near, far = await _calls(desk, board, FIRST)
        asking, asked = await _calls(desk, board, SECOND)
        spread = [await media.gauges() for media in board.parts.engine.media.clients]
        assert [one.legs for one in spread] == [2, 2]
        await _put_together(near, asking, far, asked)
        await press_and_hold(far, asked)
        await reoffer(far, "inactive")
        await until_music(asked)
        await reoffer(far, "sendrecv")
        await until_heard(asked, far)
        board.clock.advance(2)
        referrer = Referrer(asked)
        assert await referrer.refer_to(THIRD) == 202
        (await board.exchange.ringing(THIRD)).refuse(486)
        await referrer.until_told("100 Trying", "486 Busy Here")
        await _connected(far, asked)
        board.clock.advance(2)
        assert await Referrer(far).refer_to(THIRD) == 202
        third = await (await board.exchange.ringing(THIRD)).answer()
        await hung_up(far)
        await _connected(asked, third)
        await third.sip.bye()
        await hung_up(asked)
        await _until_alone(board)
        await nothing_left(board)


async def test_a_dialog_that_is_not_there_or_not_the_workspaces_replaces_nothing(
    board: Switchboard, desk: Softphone
) -> None:
    near, far = await _calls(desk, board, FIRST)
    await board.route(forward_to=THIRD)
    stranger = await board.exchange.call(NUMBER)
    friend = await (await board.exchange.ringing(THIRD)).answer()
    await stranger.answered()
    await _connected(stranger, friend)
    referrer = Referrer(near)
    assert await referrer.refer_to(SECOND, replaces=stranger) == 603  # an outside caller's own dialog
    assert await referrer.refer_to(SECOND, replaces=near) == 603  # the very same
    async with softphone(board, made=await credential(board)) as elsewhere:
        gone, left = await _calls(elsewhere, board, SECOND)
        await gone.sip.bye()
        await hung_up(left)
        assert await referrer.refer_to(SECOND, replaces=gone) == 603
    await _connected(near, far)
    await _connected(stranger, friend)
    await near.sip.bye()
    await stranger.sip.bye()
    await _until_alone(board)
