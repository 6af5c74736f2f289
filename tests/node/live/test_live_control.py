"""Asked of a live call from outside: another flow, digits, a recording. The far end hears what comes of it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.errors import CallNotLive, NoFlow, NotAnswered
from sautikitd.calls.live_control import ControlCall
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from simulators.carrier.far_side import Phone

LONG_TONE = {"play": {"tone": "dial", "loop": 20}}  # 425 Hz
OTHER_TONE = {"play": {"tone": "beep", "loop": 100}}  # 1000 Hz


def _control(board: Switchboard) -> ControlCall:
    return ControlCall(board.clock)


async def _replace(board: Switchboard, call_id: UUID, **wish: Any) -> None:
    async with board.platform.database.transaction() as connection:
        given = {"actions": None, "voice_callback_url": None} | wish
        await _control(board).replace_flow(connection, call_id, now=board.clock.now(), **given)
    board.parts.node.wake()


async def _until_heard(phone: Phone, hertz: float) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(phone.peer, hertz):
            await asyncio.sleep(0.02)


async def _story(board: Switchboard, call_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    await board.parts.journal.flush()
    async with board.platform.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT kind, data FROM events WHERE call_id = $1 AND kind LIKE 'flow.%' ORDER BY id", call_id
        )
    return [(row["kind"], row["data"]) for row in rows]


async def _answered_inbound(board: Switchboard) -> tuple[Phone, CallRecord]:
    caller = await board.exchange.call(NUMBER)
    await caller.answered()
    await board.until_all(CallStatus.ANSWERED)
    (call,) = [one for one in await board.calls() if one.parent_call_id is None]
    return caller, call


async def test_new_actions_cut_the_prompt_of_an_inbound_call_and_the_story_tells_it(
    board: Switchboard,
) -> None:
    async with callback_server(voice=[[LONG_TONE]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller, call = await _answered_inbound(board)
        await _until_heard(caller, 425)
        await _replace(board, call.id, actions=[OTHER_TONE])
        await _until_heard(caller, 1000)
        await caller.sip.bye()
        await board.over()

    told = [
        (kind, data.get("verb"), data.get("outcome"))
        for kind, data in await _story(board, call.id)
        if kind in ("flow.verb_started", "flow.verb_ended", "flow.replaced")
    ]
    assert told == [
        ("flow.verb_started", "play", None),
        ("flow.verb_ended", "play", "stopped"),
        ("flow.replaced", None, None),
        ("flow.verb_started", "play", None),
        ("flow.verb_ended", "play", "leg_gone"),
    ]


async def test_a_new_callback_is_asked_at_once_and_gets_the_last_report(board: Switchboard) -> None:
    async with callback_server(voice=[[LONG_TONE]], other=[[OTHER_TONE]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller, call = await _answered_inbound(board)
        await _until_heard(caller, 425)
        await _replace(board, call.id, voice_callback_url=server.url("/other"))
        await _until_heard(caller, 1000)
        await caller.sip.bye()
        await board.over()
        async with asyncio.timeout(PATIENCE_S):
            while [asked.path for asked in server.asked] != ["/voice", "/other", "/other"]:
                await asyncio.sleep(0.02)
    assert server.asked[-1].form["isActive"] == "0"


async def test_a_new_flow_hangs_up_on_whoever_was_dialled_and_keeps_the_caller(board: Switchboard) -> None:
    await board.route(forward_to=PARTIES[0])
    caller = await board.exchange.call(NUMBER)
    callee = await (await board.exchange.ringing(PARTIES[0])).answer()
    await caller.answered()
    (leg,) = await board.until_legs(CallStatus.ANSWERED)
    assert leg.parent_call_id

    with pytest.raises(NoFlow):
        await _replace(board, leg.id, actions=[OTHER_TONE])
    await _replace(board, leg.parent_call_id, actions=[OTHER_TONE])

    await hung_up(callee)
    await _until_heard(caller, 1000)
    await board.until_legs(CallStatus.COMPLETED)
    await caller.sip.bye()
    ended = await board.over()
    with pytest.raises(CallNotLive):
        await _replace(board, ended.id, actions=[OTHER_TONE])


async def test_digits_arrive_at_the_far_end_while_it_hears_a_prompt(board: Switchboard) -> None:
    async with callback_server(voice=[[{"pause": {"length": 1}}, LONG_TONE]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        async with asyncio.timeout(PATIENCE_S):
            while not (calls := await board.calls()):
                await asyncio.sleep(0.02)
        with pytest.raises(NotAnswered):
            await _press(board, calls[0].id, "1")
        answering = asyncio.ensure_future(caller.answered())
        while not answering.done():  # the pause may begin a moment later
            board.clock.advance(0.5)
            await asyncio.sleep(0.05)
        await answering
        await board.until_all(CallStatus.ANSWERED)
        await _press(board, calls[0].id, "42#")
        async with asyncio.timeout(PATIENCE_S):
            while "".join(key for _, key in caller.peer.presses()) != "42#":
                await asyncio.sleep(0.02)
        await caller.sip.bye()
        await board.over()
    (commanded,) = [data for kind, data in await _story(board, calls[0].id) if kind == "flow.commanded"]
    assert commanded["text"] == "3 key presses sent to the far end"


async def _press(board: Switchboard, call_id: UUID, digits: str) -> None:
    async with board.platform.database.transaction() as connection:
        await _control(board).send_digits(connection, call_id, digits, board.clock.now())
    board.parts.node.wake()


async def test_a_recording_can_be_started_in_the_middle_of_a_call(board: Switchboard) -> None:
    async with callback_server(voice=[[LONG_TONE]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller, call = await _answered_inbound(board)
        async with board.platform.database.transaction() as connection:
            recording_id = await _control(board).start_recording(
                connection, call.id, "dual", board.clock.now()
            )
        board.parts.node.wake()
        async with asyncio.timeout(PATIENCE_S):
            while await _recording(board, recording_id) != (2, "recording"):
                await asyncio.sleep(0.02)
        await caller.sip.bye()
        await board.over()
        async with asyncio.timeout(PATIENCE_S):
            while await _recording(board, recording_id) != (2, "ready"):
                await asyncio.sleep(0.02)


async def _recording(board: Switchboard, recording_id: UUID) -> tuple[int, str] | None:
    async with board.platform.database.connection() as connection:
        row = await connection.fetchrow("SELECT channels, status FROM recordings WHERE id = $1", recording_id)
    return (row["channels"], row["status"]) if row else None
