"""Who was put together with somebody of another voice node hands him on by REFER, as he could on one node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flow.doubles import callback_server
from node.exchange import hung_up
from node.referrer import Referrer
from node.room_party import nothing_left
from node.second_node import second_node
from node.softphone import credential, softphone
from node.switchboard import NUMBER, Switchboard
from node.two_calls import FIRST, SECOND, THIRD, TwoCalls, connected, dials, phones, two_calls, until_left
from sautikitd.calls.outcomes import CallStatus
from sautikitd.voice.sip.hops import Hop
from simulators.carrier.far_side import Phone, eventually


def _pair(calls: TwoCalls, *, first_refers: bool) -> tuple[Phone, Phone]:
    """Who refers, and the other one."""
    return (calls.first, calls.second) if first_refers else (calls.second, calls.first)


@pytest.mark.parametrize("first_refers", [True, False])
async def test_whom_one_of_the_two_names_is_rung_for_the_other_and_each_leg_is_billed(
    board: Switchboard, tmp_path: Path, first_refers: bool
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await calls.put_together()
        referring, stays = _pair(calls, first_refers=first_refers)
        referrer = Referrer(referring)
        board.clock.advance(2)
        assert await referrer.refer_to(THIRD) == 202
        third = await (await board.exchange.ringing(THIRD)).answer()
        await referrer.until_told("100 Trying", "200 OK")
        await hung_up(referring)
        await connected(third, stays)
        await third.press("5")
        await eventually(lambda: [key for _, key in stays.peer.presses()] == ["5"])
        await until_left(board, SECOND if first_refers else FIRST, THIRD)
        board.clock.advance(10)
        await stays.sip.bye()
        await hung_up(third)
        ended = await board.until_all(CallStatus.COMPLETED)
        await nothing_left(board)
    seconds = {call.to_address: call.billed_seconds for call in ended if call.parent_call_id}
    assert seconds[THIRD] == 10
    handed_on = {FIRST: 4, SECOND: 12} if first_refers else {FIRST: 14, SECOND: 2}
    assert {to: seconds[to] for to in handed_on} == handed_on
    assert (await board.balance())[1] == 0


async def test_when_nobody_answers_the_two_talk_on_and_may_try_again(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await calls.put_together()
        for referring, stays in (_pair(calls, first_refers=one) for one in (True, False)):
            referrer = Referrer(referring)
            board.clock.advance(2)
            assert await referrer.refer_to(THIRD) == 202
            ringing = await board.exchange.ringing(THIRD)
            assert await Referrer(stays).refer_to(THIRD) == 603  # one at a time
            ringing.refuse(486)
            await referrer.until_told("100 Trying", "486 Busy Here")
            await connected(calls.first, calls.second)
        await calls.first.press("42")
        await eventually(lambda: [key for _, key in calls.second.peer.presses()] == ["4", "2"])
        await calls.first.sip.bye()
        await hung_up(calls.second)
        await nothing_left(board)


async def test_a_phone_that_hangs_up_at_once_has_handed_on_all_the_same(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await calls.put_together()
        board.clock.advance(2)
        assert await Referrer(calls.first).refer_to(THIRD) == 202
        await calls.first.sip.bye()
        third = await (await board.exchange.ringing(THIRD)).answer()
        await connected(third, calls.second)
        await third.sip.bye()
        await hung_up(calls.second)
        await board.until_all(CallStatus.COMPLETED)
        await nothing_left(board)


async def test_who_was_to_be_handed_on_and_hangs_up_leaves_nobody_ringing(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await calls.put_together()
        board.clock.advance(2)
        referrer = Referrer(calls.first)
        assert await referrer.refer_to(THIRD) == 202
        ringing = await board.exchange.ringing(THIRD)
        await calls.second.sip.bye()
        await referrer.until_told("100 Trying", "487 Request Terminated")
        await hung_up(calls.first)
        await eventually(lambda: ringing.sip.events.ended)
        await nothing_left(board)


@asynccontextmanager
async def _consulting(board: Switchboard, at: Hop | None) -> AsyncIterator[tuple[Phone, Phone]]:
    """A phone of the workspace that talks with `THIRD` at a node, and who that is."""
    async with softphone(board, made=await credential(board, "desk"), at=at) as phone:
        yield await dials(board, phone, THIRD)


@pytest.mark.parametrize("consulted_here", [True, False])
async def test_one_of_the_two_puts_the_other_together_with_whom_he_has_consulted(
    board: Switchboard, tmp_path: Path, consulted_here: bool
) -> None:
    async with (
        two_calls(board, tmp_path) as calls,
        _consulting(board, None if consulted_here else calls.at) as (consulting, third),
    ):
        await calls.put_together()
        referrer = Referrer(calls.first)
        assert await referrer.refer_to(THIRD, replaces=consulting) == 202
        await referrer.until_told("100 Trying", "200 OK")
        await hung_up(calls.first)
        await hung_up(consulting)
        await connected(third, calls.second)
        await third.press("9")
        await eventually(lambda: [key for _, key in calls.second.peer.presses()] == ["9"])
        await third.sip.bye()
        await hung_up(calls.second)
        await board.until_all(CallStatus.COMPLETED)
        await nothing_left(board)


@pytest.mark.parametrize("asked", ["the node of the dialog", "the other one", "a third one"])
async def test_a_dialog_of_the_two_is_replaced_by_another_conversation(
    board: Switchboard, tmp_path: Path, asked: str
) -> None:
    async with (
        two_calls(board, tmp_path) as calls,
        second_node(board, tmp_path / "third") as (_, apart),
        _consulting(
            board, {"the node of the dialog": None, "the other one": calls.at, "a third one": apart}[asked]
        ) as (consulting, third),
    ):
        await calls.put_together()
        referrer = Referrer(consulting)
        assert await referrer.refer_to(SECOND, replaces=calls.first) == 202
        await referrer.until_told("100 Trying", "200 OK")
        await hung_up(calls.first)
        await hung_up(consulting)
        await connected(third, calls.second)
        await calls.second.sip.bye()
        await hung_up(third)
        await board.until_all(CallStatus.COMPLETED)
        await nothing_left(board)


async def test_an_outside_caller_may_be_handed_on_from_another_node_and_hand_nobody_on_himself(
    board: Switchboard, tmp_path: Path
) -> None:
    async with phones(board, tmp_path) as (here, elsewhere, _):
        await here.register()
        flow: list[object] = [{"dial": {"client": here.username, "action": "/after"}}]
        async with callback_server(voice=[flow], after=[[{"pause": {"length": 300}}]]) as server:
            await board.route(voice_callback_url=server.url("/voice"))
            caller = await board.exchange.call(NUMBER)
            rung = await (await here.ringing()).answer()
            await caller.answered()
            asking, asked = await dials(board, elsewhere, SECOND)
            await connected(asking, asked)
            assert await Referrer(asking).refer_to(NUMBER, replaces=rung) == 202
            await hung_up(rung)
            await connected(caller, asked)
            board.clock.advance(2)
            assert await Referrer(caller).refer_to(THIRD) == 603
            assert await Referrer(asked).refer_to(THIRD) == 202
            third = await (await board.exchange.ringing(THIRD)).answer()
            await hung_up(asked)
            await connected(caller, third)
            await third.sip.bye()
            await eventually(lambda: "/after" in [one.path for one in server.asked])
            await until_left(board, NUMBER)
            await caller.sip.bye()
            calls = await board.until_all(CallStatus.COMPLETED)
            (form,) = [one.form for one in server.asked if one.path == "/after"]
    (leg,) = (call for call in calls if call.to_address == THIRD)
    (inbound,) = (call for call in calls if call.direction == "inbound")
    assert (form["dialStatus"], form["dialCallId"]) == ("completed", str(leg.id))
    assert leg.parent_call_id == inbound.id
