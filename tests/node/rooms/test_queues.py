"""`enqueue` and `dequeue` on a voice node: who waits, who is taken, who talks to whom, and how it ends."""

import asyncio
from typing import Any

from flow.doubles import CallbackServer, callback_server
from node.exchange import hears_tone, hung_up
from node.room_party import (
    call_in,
    call_of,
    kinds,
    nothing_left,
    press_and_hold,
    rows,
    speak_together,
    until_rows,
)
from node.switchboard import PARTIES, Switchboard

CALLER, OTHER, AGENT = PARTIES
TONES = (500.0, 900.0)
_WAITING = "SELECT id FROM queue_members WHERE status = 'waiting'"
_TALKING = "SELECT id FROM room_seats WHERE left_at IS NULL AND seated_at IS NOT NULL"
_CONNECTED = "SELECT id FROM events WHERE kind = 'queue.connected'"


def _enqueue(**fields: Any) -> list[object]:
    return [{"enqueue": {"name": "support", **fields}}]


def _dequeue(**fields: Any) -> list[object]:
    return [{"dequeue": {"name": "support", **fields}}]


async def _wait_in_line(board: Switchboard, *callers: str, **fields: Any) -> list[Any]:
    """Callers who wait, in this order."""
    phones = []
    async with callback_server(voice=[_enqueue(**fields)]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        for count, caller in enumerate(callers, start=1):
            phones.append(await call_in(board, caller))
            await until_rows(board, count, _WAITING)
    return phones


async def _asked(server: CallbackServer, path: str) -> dict[str, str]:
    async with asyncio.timeout(12):
        while not (found := [one.form for one in server.asked if one.path == path]):
            await asyncio.sleep(0.02)
    return dict(found[-1])


async def test_the_oldest_is_taken_first_and_hears_music_before_and_the_agent_after(
    board: Switchboard,
) -> None:
    caller, other = await _wait_in_line(board, CALLER, OTHER)
    async with callback_server(voice=[_dequeue(action="/after")], after=[[]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        agent = await call_in(board, AGENT)
        await until_rows(board, 2, _TALKING)
        heard = await speak_together([caller, agent], TONES)
        assert heard == [{900.0}, {500.0}]
        await press_and_hold(caller, agent)
        await other.sip.bye()
        await caller.sip.bye()
        form = await _asked(server, "/after")
        await hung_up(agent)
        await nothing_left(board)
    assert (form["callSessionState"], form["dialStatus"]) == ("DialCompleted", "completed")
    assert form["dialCallId"] == str(await call_of(board, CALLER))
    assert sorted(await kinds(board, "queue")) == ["connected", "entered", "entered", "left", "left"]
    results = await rows(board, "SELECT result FROM queue_members ORDER BY id")
    assert [row["result"] for row in results] == ["bridged", "hangup"]


async def test_when_the_agent_goes_the_action_hears_of_it_and_the_callers_flow_goes_on(
    board: Switchboard,
) -> None:
    async with callback_server(
        voice=[_enqueue(action="/left")], left=[[{"play": {"tone": "busy"}}]]
    ) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await call_in(board, CALLER)
        await until_rows(board, 1, _WAITING)
        async with callback_server(voice=[_dequeue()]) as agents:
            await board.route(voice_callback_url=agents.url("/voice"))
            agent = await call_in(board, AGENT)
            await until_rows(board, 2, _TALKING)
            await until_rows(board, 1, _CONNECTED)
            board.clock.advance(5)
            await agent.sip.bye()
            form = await _asked(server, "/left")
            await hung_up(caller)
    assert (form["callSessionState"], form["queueResult"]) == ("QueueLeft", "bridged")
    assert (form["queueName"], form["dialDuration"]) == ("support", "5")
    assert form["dialCallId"] == str(await call_of(board, AGENT))
    assert hears_tone(caller.peer, 425)


async def test_the_wait_url_is_told_the_position_and_what_it_says_is_heard(board: Switchboard) -> None:
    tone: list[object] = [{"play": {"tone": "dial"}}]
    async with callback_server(voice=[_enqueue(waitUrl="/wait")], wait=[tone]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        await call_in(board, CALLER)
        await until_rows(board, 1, _WAITING)
        second = await call_in(board, OTHER)
        async with asyncio.timeout(10):
            while not hears_tone(second.peer, 425):
                await asyncio.sleep(0.05)
    forms = [one.form for one in server.asked if one.path == "/wait"]
    assert [(form["queuePosition"], form["currentQueueSize"]) for form in forms[:2]] == [
        ("1", "1"),
        ("2", "2"),
    ]


async def test_an_agent_waits_for_a_caller_and_gives_up_in_time(board: Switchboard) -> None:
    async with callback_server(voice=[_dequeue(action="/after", maxWait=20)], after=[[]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        agent = await call_in(board, AGENT)
        async with asyncio.timeout(10):
            while not hears_tone(agent.peer, 261.6):  # the music of those who wait
                await asyncio.sleep(0.05)
        board.clock.advance(20)
        form = await _asked(server, "/after")
    assert (form["dialStatus"], form["dialBridged"]) == ("no_answer", "false")


async def test_a_caller_leaves_after_the_longest_wait_and_a_full_queue_takes_nobody(
    board: Switchboard,
) -> None:
    flow = _enqueue(action="/left", maxWait=30, maxSize=1)
    async with callback_server(voice=[flow], left=[[]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        await call_in(board, CALLER)
        await until_rows(board, 1, _WAITING)
        await hung_up(await call_in(board, OTHER))
        assert (await _asked(server, "/left"))["queueResult"] == "queue-full"
        server.asked.clear()
        board.clock.advance(30)
        form = await _asked(server, "/left")
    assert (form["queueResult"], form["queueTime"]) == ("timeout", "30")


async def test_two_agents_never_get_the_same_caller(board: Switchboard) -> None:
    caller, other = await _wait_in_line(board, CALLER, OTHER)
    async with callback_server(voice=[_dequeue()]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        await asyncio.gather(*(call_in(board, f"+25471300000{number}") for number in (1, 2)))
        await until_rows(board, 4, _TALKING)
        pairs = await rows(board, "SELECT taken_by_call_id, call_id FROM queue_members ORDER BY id")
    assert len({row["taken_by_call_id"] for row in pairs}) == 2
    assert [row["call_id"] for row in pairs] == [await call_of(board, one) for one in (CALLER, OTHER)]
    await caller.sip.bye()
    await other.sip.bye()
