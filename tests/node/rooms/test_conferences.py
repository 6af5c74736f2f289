"""The `conference` verb on a voice node: who hears whom, when it starts and ends, and what is told of it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from flow.doubles import callback_server
from node.exchange import hears_tone, hung_up
from node.room_party import (
    call_in,
    call_of,
    kinds,
    nothing_left,
    rows,
    speak_together,
    until_rows,
    until_seated,
)
from node.switchboard import PARTIES, Switchboard
from simulators.carrier.far_side import Phone
from voice.media.rtp_peer import sine

FIRST, SECOND, THIRD = PARTIES
TONES = (500.0, 900.0, 1300.0)


def _room(**fields: Any) -> list[object]:
    return [{"conference": {"name": "board", **fields}}]


async def test_everybody_hears_the_two_others_and_not_himself_and_the_room_ends_with_the_last(
    board: Switchboard,
) -> None:
    async with callback_server(voice=[_room()]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        parties = [await call_in(board, caller) for caller in PARTIES]
        await until_seated(board, 3)
        heard = await speak_together(parties, TONES)
        for phone in parties:
            await phone.sip.bye()
        await nothing_left(board)
    assert heard == [set(TONES) - {own} for own in TONES]
    assert await kinds(board, "conference") == [
        *("participant_joined", "participant_joined", "started", "participant_joined"),
        *("participant_left", "participant_left", "participant_left", "ended"),
    ]
    (room,) = await rows(board, "SELECT * FROM rooms")
    assert (room["status"], room["end_reason"], room["name"]) == ("ended", "everybody_left", "board")


async def test_the_first_hears_music_until_the_second_comes(board: Switchboard) -> None:
    async with callback_server(voice=[_room(waitUrl="/wait")], wait=[[{"play": {"tone": "dial"}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        first = await call_in(board, FIRST)
        async with asyncio.timeout(10):
            while not hears_tone(first.peer, 425):
                await asyncio.sleep(0.05)
        second = await call_in(board, SECOND)
        await until_seated(board, 2)
        heard = await speak_together([first, second], TONES[:2])
        async with asyncio.timeout(10):
            while hears_tone(first.peer, 425):
                await asyncio.sleep(0.05)
    assert heard == [{900.0}, {500.0}]
    assert next(one.form for one in server.asked if one.path == "/wait")["conferenceName"] == "board"


async def test_who_may_not_start_it_waits_for_one_who_may(board: Switchboard) -> None:
    waits = _room(startOnEnter=False)
    async with callback_server(voice=[waits, waits, _room()]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        parties = [await call_in(board, caller) for caller in (FIRST, SECOND)]
        await until_seated(board, 2)
        assert [row["status"] for row in await rows(board, "SELECT status FROM rooms")] == ["waiting"]
        assert 900.0 not in (await speak_together(parties, TONES[:2]))[0]
        parties.append(await call_in(board, THIRD))
        await until_seated(board, 3)
        heard = await speak_together(parties, TONES)
    assert heard == [set(TONES) - {own} for own in TONES]


async def test_the_muted_is_not_heard_and_the_coach_by_his_agent_alone(board: Switchboard) -> None:
    async with callback_server(voice=[_room(), _room(muted=True)]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        agent = await call_in(board, FIRST)
        quiet = await call_in(board, SECOND)
        await until_seated(board, 2)
        coaching = _room(coach=str(await call_of(board, FIRST)))
        async with callback_server(voice=[coaching]) as other:
            await board.route(voice_callback_url=other.url("/voice"))
            coach = await call_in(board, THIRD)
            await until_seated(board, 3)
            heard = await speak_together([agent, quiet, coach], TONES)
    assert heard == [{1300.0}, {500.0}, {500.0}]


async def test_when_the_one_who_ends_it_leaves_the_others_go_on_with_their_flow(board: Switchboard) -> None:
    host = _room(endOnExit=True)
    guest: list[object] = [*_room(), {"play": {"tone": "busy"}}]
    async with callback_server(voice=[guest, host]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        guest_phone = await call_in(board, FIRST)
        host_phone = await call_in(board, SECOND)
        await until_seated(board, 2)
        await host_phone.sip.bye()
        await hung_up(guest_phone)
        await nothing_left(board)
    assert hears_tone(guest_phone.peer, 425)
    reasons = await rows(board, "SELECT leave_reason FROM room_seats ORDER BY id")
    assert [row["leave_reason"] for row in reasons] == ["conference_ended", "hangup"]


async def test_a_full_room_is_passed_over_with_a_warning(board: Switchboard) -> None:
    async with callback_server(voice=[_room(maxParticipants=1)]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        await call_in(board, FIRST)
        await until_seated(board, 1)
        await hung_up(await call_in(board, SECOND))
        await board.parts.journal.flush()
    warnings = await until_rows(board, 1, "SELECT data FROM events WHERE kind = 'flow.warning'")
    assert "which is all that it takes" in warnings[0]["data"]["text"]


async def test_everybody_hears_the_tones_of_who_comes_and_goes(board: Switchboard) -> None:
    async with callback_server(voice=[_room(), _room(), _room(beep=True)]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        parties = [await call_in(board, caller) for caller in (FIRST, SECOND)]
        await until_seated(board, 2)
        third = await call_in(board, THIRD)
        await _until_all_hear(parties, 620, 830)
        await until_seated(board, 3)
        await asyncio.gather(
            *(phone.peer.say(sine(100, 1.0, 1)) for phone in parties)
        )  # those tones are long past
        await third.sip.bye()
        await _until_all_hear(parties, 620, 830)


async def test_keys_are_posted_and_a_reply_with_actions_takes_the_caller_out(board: Switchboard) -> None:
    keys = _room(collectDigits=True, numDigits=1, digitsCallbackUrl="/keys")
    replies: list[Any] = [[], [{"play": {"tone": "busy"}}]]
    async with callback_server(voice=[keys, _room()], keys=replies) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        presser, other = [await call_in(board, caller) for caller in (FIRST, SECOND)]
        await until_seated(board, 2)
        await presser.peer.pace(presser.peer.press("5"))
        async with asyncio.timeout(10):
            while not any(one.path == "/keys" for one in server.asked):
                await asyncio.sleep(0.02)
        assert (await speak_together([presser, other], TONES[:2])) == [{900.0}, {500.0}]
        await presser.peer.pace(presser.peer.press("6"))
        await hung_up(presser)
        await other.sip.bye()
        await nothing_left(board)
    asked = [one.form for one in server.asked if one.path == "/keys"]
    assert [(form["Digits"], form["callSessionState"]) for form in asked] == [
        ("5", "DigitsCollected"),
        ("6", "DigitsCollected"),
    ]
    assert hears_tone(presser.peer, 425)


async def _until_all_hear(parties: Sequence[Phone], *tones: float) -> None:
    async with asyncio.timeout(10):
        while not all(hears_tone(phone.peer, tone) for phone in parties for tone in tones):
            await asyncio.sleep(0.05)
