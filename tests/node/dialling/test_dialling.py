"""`dial` and `forward_to` on a voice node: who hears whom, who pays what, and how it ends."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web

from flow.doubles import CallbackServer, callback_server
from node.exchange import hears, holds_tone, hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.voice.sip.events import Answered, Progress
from simulators.carrier.far_side import eventually

ANSWERED, COMPLETED, FAILED = CallStatus.ANSWERED, CallStatus.COMPLETED, CallStatus.FAILED
FIRST, SECOND, THIRD = PARTIES


async def _ask_at(board: Switchboard, server: CallbackServer) -> None:
    await board.route(voice_callback_url=server.url("/voice"))


def _dial(**fields: Any) -> dict[str, object]:
    return {"dial": fields}


async def test_a_forwarded_caller_hears_the_ringing_then_his_party_who_hears_him_and_one_leg_is_charged(
    board: Switchboard,
) -> None:
    await board.route(forward_to=FIRST)
    caller = await board.exchange.call(NUMBER)
    ringing = await board.exchange.ringing(FIRST)
    assert not caller.sip.dialog
    ringing.alert()
    progress = await caller.until(Progress)
    assert isinstance(progress, Progress)
    assert progress.code == 180
    callee = await ringing.answer()
    await caller.answered()
    await board.until_legs(ANSWERED)

    assert await hears(callee.peer, caller.peer, 440)
    assert await hears(caller.peer, callee.peer, 1000)
    await board.talk(61)
    await caller.sip.bye()
    await hung_up(callee)

    (leg,) = await board.until_legs(COMPLETED)
    root = await board.over()
    assert (leg.parent_call_id, leg.from_address, leg.to_address) == (root.id, NUMBER, FIRST)
    assert (leg.billed_seconds, leg.cost_minor, leg.hangup_by) == (61, 305, "caller")
    assert (root.direction, root.cost_minor, root.status) == ("inbound", 0, COMPLETED)
    assert await board.balance() == (10_000 - 305, 0)


async def test_when_the_party_hangs_up_the_action_hears_of_it_and_the_flow_goes_on(
    board: Switchboard,
) -> None:
    async with callback_server(
        voice=[[_dial(number=FIRST, action="/after")]], after=[[{"play": {"tone": "dial"}}]]
    ) as server:
        await _ask_at(board, server)
        caller = await board.exchange.call(NUMBER)
        callee = await (await board.exchange.ringing(FIRST)).answer()
        await caller.answered()
        await board.until_legs(ANSWERED)
        board.clock.advance(7)
        await callee.sip.bye()
        (leg,) = await board.until_legs(COMPLETED)
        await hung_up(caller)
        root = await board.over()

    form = next(asked.form for asked in server.asked if asked.path == "/after")
    assert (form["dialStatus"], form["dialDuration"]) == ("completed", "7")
    assert (form["dialCallId"], form["dialNumber"]) == (str(leg.id), FIRST)
    assert (leg.cost_minor, leg.hangup_by, root.status) == (35, "callee", COMPLETED)


async def test_a_handler_of_africas_talking_hears_of_its_dial_in_the_final_notification(
    board: Switchboard,
) -> None:
    """Its `Dial` has no callback, and the caller who hangs up first is the commonest end of all."""

    async def dial(_: object) -> web.StreamResponse:
        reply = f'<Response><Dial phoneNumbers="{FIRST}"/></Response>'
        return web.Response(text=reply, content_type="text/plain")

    async with callback_server(voice=[dial, {}]) as server:
        await board.route(voice_callback_url=server.url("/voice"), callback_format="africastalking")
        caller = await board.exchange.call(NUMBER)
        callee = await (await board.exchange.ringing(FIRST)).answer()
        await caller.answered()
        await board.until_legs(ANSWERED)
        await board.talk(30)
        await caller.sip.bye()
        await hung_up(callee)
        await board.over()
        await eventually(lambda: len(server.asked) == 2)
    last = server.asked[-1].form
    assert (last["isActive"], last["dialDestinationNumber"], last["dialDurationInSeconds"]) == (
        "0",
        FIRST,
        "30",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\+\d\d:\d\d:\d\d", last["dialStartTime"])


async def test_of_two_rung_together_the_first_answer_is_connected_and_the_other_costs_nothing(
    board: Switchboard,
) -> None:
    async with callback_server(voice=[[_dial(numbers=[FIRST, SECOND])]]) as server:
        await _ask_at(board, server)
        caller = await board.exchange.call(NUMBER)
        both = [await board.exchange.ringing(number) for number in (FIRST, SECOND)]
        await asyncio.gather(*(ringing.answer() for ringing in both))
        await caller.answered()
        await board.until_legs(ANSWERED, CallStatus.CANCELED)
        await board.talk(60)
        await caller.sip.bye()
        await board.over()

    costs = {leg.hangup_cause: leg.cost_minor for leg in await board.calls() if leg.parent_call_id}
    assert costs == {"normal_clearing": 300, "lost_race": 0}
    assert await board.balance() == (9_700, 0)


async def test_in_turn_the_second_is_rung_when_the_first_is_busy(board: Switchboard) -> None:
    async with callback_server(voice=[[_dial(numbers=[FIRST, SECOND], sequential=True)]]) as server:
        await _ask_at(board, server)
        caller = await board.exchange.call(NUMBER)
        first = await board.exchange.ringing(FIRST)
        assert board.exchange.called(SECOND) == 0
        first.refuse(486)
        await (await board.exchange.ringing(SECOND)).answer()
        await caller.answered()
        await board.until_legs(CallStatus.BUSY, ANSWERED)
        await caller.sip.bye()
        await board.until_legs(CallStatus.BUSY, COMPLETED)


async def test_a_leg_that_cannot_be_paid_fails_as_a_result_of_the_dial_and_nobody_is_rung(
    board: Switchboard,
) -> None:
    account_left = 299  # a cent short of the first minute
    async with callback_server(
        voice=[[_dial(number=FIRST, action="/after")]], after=[[{"hangup": {}}]]
    ) as server:
        await _ask_at(board, server)
        await board.leave(account_left)
        caller = await board.exchange.call(NUMBER)
        await board.until_legs(FAILED)
        await board.over()

    form = next(asked.form for asked in server.asked if asked.path == "/after")
    assert (form["dialStatus"], form["dialCause"]) == ("failed", "wallet.insufficient_funds")
    assert board.exchange.called(FIRST) == 0
    assert not any(isinstance(event, Answered) for event in caller.events)
    assert await board.balance() == (account_left, 0)


async def test_when_the_money_is_gone_only_the_leg_ends_and_the_flow_goes_on(board: Switchboard) -> None:
    async with callback_server(
        voice=[[_dial(number=FIRST), {"getDigits": {"numDigits": 1, "timeout": 60}}]]
    ) as server:
        await _ask_at(board, server)
        await board.leave(350)  # 70 seconds
        caller = await board.exchange.call(NUMBER)
        callee = await (await board.exchange.ringing(FIRST)).answer()
        await caller.answered()
        await board.until_legs(ANSWERED)
        goodbye = asyncio.ensure_future(hung_up(callee))
        while not goodbye.done():
            board.clock.advance(1)
            await asyncio.sleep(0.02)
        (leg,) = await board.until_legs(COMPLETED)
        assert (leg.hangup_cause, leg.billed_seconds, leg.cost_minor) == ("insufficient_funds", 70, 350)
        for phone in (caller, callee):  # both were warned
            assert holds_tone(phone.peer.heard(), 480, 1000)
        root = next(call for call in await board.calls() if not call.parent_call_id)
        assert root.status is ANSWERED
        await caller.sip.bye()
        await board.over()
    assert await board.balance() == (0, 0)


async def test_a_dialled_leg_can_be_hung_up_by_its_own_id(board: Switchboard) -> None:
    async with callback_server(
        voice=[[_dial(number=FIRST, action="/after")]], after=[[{"hangup": {}}]]
    ) as server:
        await _ask_at(board, server)
        caller = await board.exchange.call(NUMBER)
        callee = await (await board.exchange.ringing(FIRST)).answer()
        await caller.answered()
        (leg,) = await board.until_legs(ANSWERED)
        async with board.platform.database.transaction() as connection:
            await board.platform.hang_up.hang_up(connection, leg.id, board.clock.now())
        await hung_up(callee)
        await hung_up(caller)
        (leg,) = await board.until_legs(COMPLETED)
        await board.over()
    assert leg.hangup_by == "platform"


async def test_a_caller_who_gives_up_stops_the_ringing(board: Switchboard) -> None:
    await board.route(forward_to=FIRST)
    caller = await board.exchange.call(NUMBER)
    ringing = await board.exchange.ringing(FIRST)
    ringing.alert()
    await caller.until(Progress)
    await caller.sip.hang_up()

    (leg,) = await board.until_legs(CallStatus.CANCELED)
    root = await board.over()
    assert (leg.hangup_by, leg.cost_minor, root.status) == ("caller", 0, CallStatus.CANCELED)
    assert await board.balance() == (10_000, 0)


async def test_a_reaper_finds_what_ends_both_parties_at_the_carrier(board: Switchboard) -> None:
    await board.route(forward_to=FIRST)
    caller = await board.exchange.call(NUMBER)
    callee = await (await board.exchange.ringing(FIRST)).answer()
    await caller.answered()
    stored = [call.dialog for call in await board.until_all(ANSWERED)]

    assert all(dialog and "dialog" in dialog for dialog in stored)
    statuses = await asyncio.gather(*(board.parts.engine.end_detached(dialog) for dialog in stored if dialog))
    await hung_up(callee)
    await hung_up(caller)
    assert statuses == [200, 200]


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        ({"number": "999"}, "calls.emergency_unsupported"),
        ({"number": "+14155550100"}, "calls.destination_forbidden"),
        ({"number": FIRST, "callerId": "+254709000999"}, "numbers.not_found"),
    ],
)
async def test_what_may_not_be_dialled_is_a_failed_dial_without_a_call(
    board: Switchboard, wish: dict[str, str], cause: str
) -> None:
    async with callback_server(voice=[[_dial(**wish, action="/after")]], after=[[{"hangup": {}}]]) as server:
        await _ask_at(board, server)
        await board.exchange.call(NUMBER)
        await board.over()
    form = next(asked.form for asked in server.asked if asked.path == "/after")
    assert (form["dialStatus"], form["dialCause"]) == ("failed", cause)
    assert len(await board.calls()) == 1


async def test_forwarding_to_a_number_of_the_platform_is_refused(board: Switchboard) -> None:
    await board.route(forward_to=NUMBER)
    await board.exchange.call(NUMBER)
    root = await board.over()
    assert (root.status, root.hangup_cause, len(await board.calls())) == (FAILED, "rejected", 1)


async def test_a_leg_takes_one_of_the_workspaces_slots(board: Switchboard) -> None:
    await board.limit(1)  # the caller's own
    async with callback_server(
        voice=[[_dial(number=FIRST, action="/after")]], after=[[{"hangup": {}}]]
    ) as server:
        await _ask_at(board, server)
        await board.exchange.call(NUMBER)
        await board.over()
    form = next(asked.form for asked in server.asked if asked.path == "/after")
    assert form["dialCause"] == "calls.concurrency_reached"
