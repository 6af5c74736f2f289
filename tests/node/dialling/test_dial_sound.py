"""What is heard around a dial: ringing, early media, a whisper, keys, and the recording of both."""

import asyncio
import wave
from pathlib import Path

import numpy as np

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, Exchange, hears, hears_tone, holds_tone, hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.voice.sip.events import Answered, Progress
from simulators.carrier.far_side import Phone, eventually
from voice.media.rtp_peer import level, sine

ANSWERED, COMPLETED = CallStatus.ANSWERED, CallStatus.COMPLETED
FIRST = PARTIES[0]
RINGBACK_HZ = 425


async def _connected(exchange: Exchange, board: Switchboard) -> tuple[Phone, Phone]:
    caller = await exchange.call(NUMBER)
    callee = await (await exchange.ringing(FIRST)).answer()
    await caller.answered()
    await board.until_legs(ANSWERED)
    return caller, callee


async def test_keys_go_through_both_ways_and_do_not_reach_the_flow(board: Switchboard) -> None:
    flow: list[object] = [{"dial": {"number": FIRST}}, {"getDigits": {"numDigits": 1, "action": "/digits"}}]
    async with callback_server(voice=[flow], digits=[[{"hangup": {}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller, callee = await _connected(board.exchange, board)
        assert await hears(callee.peer, caller.peer, 440)

        await caller.press("15#")
        await eventually(lambda: [key for _, key in callee.peer.presses()] == ["1", "5", "#"])
        await callee.press("9")
        await eventually(lambda: [key for _, key in caller.peer.presses()] == ["9"])

        await callee.sip.bye()
        await board.until_legs(COMPLETED)
        await caller.press("7")
        await hung_up(caller)
    assert [asked.form["Digits"] for asked in server.asked if asked.path == "/digits"] == ["7"]


async def test_a_caller_answered_first_hears_our_ring_tone_until_the_party_answers(
    board: Switchboard,
) -> None:
    flow: list[object] = [{"dial": {"number": FIRST, "answerOnBridge": False}}]
    async with callback_server(voice=[flow]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        await caller.answered()
        ringing = await board.exchange.ringing(FIRST)
        await eventually(lambda: hears_tone(caller.peer, RINGBACK_HZ))
        callee = await ringing.answer()
        await board.until_legs(ANSWERED)
        assert await hears(caller.peer, callee.peer, 1000)
        await eventually(lambda: level(caller.peer.recent(0.5), RINGBACK_HZ) < 100)
        await caller.sip.bye()
        await board.over()


async def test_what_the_network_says_before_the_answer_reaches_an_unanswered_caller_but_not_back(
    board: Switchboard,
) -> None:
    await board.route(forward_to=FIRST)
    caller = await board.exchange.call(NUMBER)
    ringing = await board.exchange.ringing(FIRST)
    ringing.early_media()
    progress = await caller.until(Progress)
    while not (isinstance(progress, Progress) and progress.sdp):
        progress = await caller.until(Progress)
    caller.send_to(progress.sdp)
    assert await hears(caller.peer, ringing.peer, 1000)
    assert not await hears(ringing.peer, caller.peer, 440)
    ringing.refuse(480)
    await board.over()
    assert not any(isinstance(event, Answered) for event in caller.events)


async def test_the_called_party_alone_hears_the_whisper_before_the_caller_is_answered(
    board: Switchboard,
) -> None:
    flow: list[object] = [{"dial": {"number": FIRST, "whisper": [{"play": {"tone": "beep"}}]}}]
    async with callback_server(voice=[flow]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        callee = await (await board.exchange.ringing(FIRST)).answer()
        await eventually(lambda: hears_tone(callee.peer, 1000))
        await caller.answered()
        assert level(caller.peer.heard(), 1000) < 100
        assert await hears(callee.peer, caller.peer, 440)
        await caller.sip.bye()
        await board.over()


async def test_a_recording_holds_the_caller_left_and_the_party_right(
    board: Switchboard, tmp_path: Path
) -> None:
    flow: list[object] = [{"dial": {"number": FIRST, "record": True, "action": "/after"}}]
    async with callback_server(voice=[flow], after=[[{"hangup": {}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller, callee = await _connected(board.exchange, board)
        assert await hears(callee.peer, caller.peer, 440)
        assert await hears(caller.peer, callee.peer, 1000)
        await callee.sip.bye()
        await hung_up(caller)
        await board.over()
    form = next(asked.form for asked in server.asked if asked.path == "/after")
    content = await _stored(board, form["recordingId"], tmp_path)
    left, right = content[:, 0].astype(float), content[:, 1].astype(float)
    assert form["recordingId"] in form["recordingUrl"]
    assert (holds_tone(left, 440), holds_tone(right, 1000)) == (True, True)
    assert (holds_tone(left, 1000), holds_tone(right, 440)) == (False, False)


async def test_a_recording_from_the_ringing_on_holds_what_the_caller_says_before_the_answer(
    board: Switchboard, tmp_path: Path
) -> None:
    dial = {"number": FIRST, "record": "record-from-ringing", "answerOnBridge": False, "action": "/after"}
    async with callback_server(voice=[[{"dial": dial}]], after=[[{"hangup": {}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        await caller.answered()
        ringing = await board.exchange.ringing(FIRST)
        await eventually(lambda: hears_tone(caller.peer, RINGBACK_HZ))
        await caller.peer.say(sine(700, 0.6))
        callee = await ringing.answer()
        assert await hears(caller.peer, callee.peer, 1000)
        await callee.sip.bye()
        await hung_up(caller)
        await board.over()
    form = next(asked.form for asked in server.asked if asked.path == "/after")
    content = await _stored(board, form["recordingId"], tmp_path)
    left, right = content[:, 0].astype(float), content[:, 1].astype(float)
    assert (holds_tone(left, 700), holds_tone(right, 1000)) == (True, True)


async def _stored(board: Switchboard, recording_id: str, folder: Path) -> "np.typing.NDArray[np.int16]":
    """The file of a recording, once it is ready."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with board.platform.database.connection() as connection:
                row = await connection.fetchrow("SELECT * FROM recordings WHERE id = $1", recording_id)
            if row and row["status"] == "ready":
                break
            await asyncio.sleep(0.02)
    (found,) = await asyncio.to_thread(lambda: [f for f in folder.rglob("*.wav") if recording_id in str(f)])
    with wave.open(str(found), "rb") as file:
        assert file.getnchannels() == 2
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
