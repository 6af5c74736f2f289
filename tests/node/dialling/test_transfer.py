"""`transfer`: blind hands the caller over, attended lets the target decide; who hears what, and what happens after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flow.doubles import CallbackServer, callback_server
from node.exchange import PATIENCE_S, hears, hears_tone, hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from simulators.carrier.far_side import Phone

TARGET = PARTIES[0]
ANSWERED, COMPLETED, BUSY = CallStatus.ANSWERED, CallStatus.COMPLETED, CallStatus.BUSY
BEEPS: dict[str, object] = {"play": {"tone": "beep", "loop": 100}}  # 1000 Hz
HOLD_NOTE = 261.6  # our hold music begins with it


@asynccontextmanager
async def _transferred(
    board: Switchboard, *after: dict[str, object], **fields: Any
) -> AsyncIterator[tuple[Phone, CallbackServer]]:
    flow: list[object] = [{"transfer": {"to": TARGET, **fields}}, *after]
    async with callback_server(voice=[flow], after=[[BEEPS]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        yield await board.exchange.call(NUMBER), server


async def _until_heard(phone: Phone, hertz: float) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(phone.peer, hertz):
            await asyncio.sleep(0.02)


async def test_a_blind_transfer_is_over_with_its_conversation_and_its_leg_is_charged(
    board: Switchboard,
) -> None:
    async with _transferred(board, BEEPS) as (caller, _):
        target = await (await board.exchange.ringing(TARGET)).answer()
        await caller.answered()
        await board.until_legs(ANSWERED)
        assert await hears(target.peer, caller.peer, 440)
        board.clock.advance(7)
        await target.sip.bye()
        await hung_up(caller)
        (leg,) = await board.until_legs(COMPLETED)
        root = await board.over()
    assert (leg.parent_call_id, leg.cost_minor, root.hangup_by) == (root.id, 35, "platform")


async def test_a_blind_transfer_that_nobody_takes_leaves_the_caller_to_the_next_verb(
    board: Switchboard,
) -> None:
    async with _transferred(board, BEEPS) as (caller, _):
        (await board.exchange.ringing(TARGET)).refuse(486)
        await board.until_legs(BUSY)
        await caller.answered()
        await _until_heard(caller, 1000)
        await caller.sip.bye()
        await board.over()


async def test_in_an_attended_transfer_the_caller_hears_music_until_the_target_takes_the_call(
    board: Switchboard,
) -> None:
    async with _transferred(board, mode="attended", action="/after") as (caller, server):
        await caller.answered()
        await _until_heard(caller, HOLD_NOTE)
        target = await (await board.exchange.ringing(TARGET)).answer()
        await board.until_legs(ANSWERED)
        assert not await hears(target.peer, caller.peer, 440)
        await target.press("1")
        async with asyncio.timeout(PATIENCE_S):
            while not await hears(target.peer, caller.peer, 440):
                continue
        await target.sip.bye()
        await board.until_legs(COMPLETED)
        await _until_heard(caller, 1000)
        await caller.sip.bye()
        await board.over()
    (form,) = [
        asked.form for asked in server.asked if asked.path == "/after" and asked.form["isActive"] == "1"
    ]
    assert (form["callSessionState"], form["transferStatus"], form["transferMode"]) == (
        *("TransferCompleted", "completed", "attended"),
    )


async def test_a_target_who_does_not_take_the_call_is_hung_up_on_and_the_flow_hears_of_it(
    board: Switchboard,
) -> None:
    async with _transferred(board, mode="attended", action="/after") as (caller, server):
        target = await (await board.exchange.ringing(TARGET)).answer()
        await board.until_legs(ANSWERED)
        await target.press("2")
        await hung_up(target)
        await _until_heard(caller, 1000)
        await caller.sip.bye()
        await board.over()
    (form,) = [
        asked.form for asked in server.asked if asked.path == "/after" and asked.form["isActive"] == "1"
    ]
    assert form["transferStatus"] == "no_answer"


async def test_a_transfer_to_where_the_workspace_may_not_call_is_refused(board: Switchboard) -> None:
    async with _transferred(board, to="+12025550123", action="/after") as (caller, server):
        await caller.answered()
        await _until_heard(caller, 1000)
        await caller.sip.bye()
        await board.over()
    assert server.asked[1].form["transferCause"] == "calls.destination_forbidden"
