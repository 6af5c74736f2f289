"""Rooms and queues whose parties are on different nodes, or on different media processes of one node."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hung_up
from node.room_party import (
    call_in,
    nothing_left,
    press_and_hold,
    rows,
    speak_together,
    until_rows,
    until_seated,
)
from node.second_node import second_node
from node.switchboard import PARTIES, Switchboard, switchboard
from sautikitd.roles import voice
from sautikitd.roles.voice import Parts
from sautikitd.voice.media_pool import MediaPool
from sautikitd.voice.sip.hops import Hop
from simulators.carrier.far_side import Phone

FIRST, SECOND, THIRD = PARTIES
TONES = (500.0, 900.0, 1300.0)
ENQUEUE: list[object] = [{"enqueue": {"name": "support"}}]
DEQUEUE: list[object] = [{"dequeue": {"name": "support"}}]
ROOM: list[object] = [{"conference": {"name": "board"}}]


async def _call_at(board: Switchboard, node: Hop | None, caller: str) -> Phone:
    home = board.exchange.node
    board.exchange.node = node or home
    try:
        return await call_in(board, caller)
    finally:
        board.exchange.node = home


async def _opens_the_room(board: Switchboard, node: Hop, caller: str) -> None:
    """Calls, and sits in the room before anybody else can: so it is at home on his node. Being answered is not enough."""
    await _call_at(board, node, caller)
    await until_seated(board, 1)


async def test_three_on_two_nodes_hear_the_two_others_and_not_themselves(
    board: Switchboard, tmp_path: Path
) -> None:
    async with (
        second_node(board, tmp_path / "second") as (_, there),
        callback_server(voice=[ROOM]) as server,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        parties = [
            await _call_at(board, node, caller)
            for node, caller in zip((None, there, there), PARTIES, strict=True)
        ]
        await until_seated(board, 3)
        nodes = await rows(board, "SELECT DISTINCT node_id FROM room_seats")
        heard = await speak_together(parties, TONES)
        for phone in parties:
            await phone.sip.bye()
        await nothing_left(board)
        calls = await board.calls()
    assert len(nodes) == 2
    assert heard == [set(TONES) - {own} for own in TONES]
    assert len(calls) == 3  # the links are in nobody's books


async def test_three_on_two_media_processes_hear_the_two_others_and_not_themselves(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "MediaPool", partial(MediaPool, size=2))
    async with (
        switchboard(database_url, tmp_path, funds=10_000) as board,
        callback_server(voice=[ROOM]) as server,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        parties = [await call_in(board, caller) for caller in PARTIES]
        await until_seated(board, 3)
        spread = [await media.gauges() for media in board.parts.engine.media.clients]
        heard = await speak_together(parties, TONES)
        for phone in parties:
            await phone.sip.bye()
        await nothing_left(board)
    assert all(one.legs >= 1 for one in spread)
    assert heard == [set(TONES) - {own} for own in TONES]


async def test_an_agent_takes_a_caller_who_waits_on_another_node(board: Switchboard, tmp_path: Path) -> None:
    async with second_node(board, tmp_path / "second") as (_, there):
        async with callback_server(voice=[ENQUEUE]) as server:
            await board.route(voice_callback_url=server.url("/voice"))
            caller = await call_in(board, FIRST)
            await until_rows(board, 1, "SELECT FROM queue_members WHERE status = 'waiting'")
        async with callback_server(voice=[DEQUEUE]) as server:
            await board.route(voice_callback_url=server.url("/voice"))
            agent = await _call_at(board, there, SECOND)
            await until_seated(board, 2)
            heard = await speak_together([caller, agent], TONES[:2])
            await press_and_hold(caller, agent)
            await agent.sip.bye()
            await hung_up(caller)
            await nothing_left(board)
    assert heard == [{900.0}, {500.0}]


async def _dies(board: Switchboard, parts: Parts) -> None:
    """As everybody else sees it once the lease of a node has lapsed."""
    async with board.platform.database.transaction() as connection:
        await connection.execute(
            "UPDATE voice_nodes SET stopped_at = $2 WHERE id = $1", parts.node.node_id, board.clock.now()
        )
    await board.parts.reaper.reap()


async def _until_told(board: Switchboard, verb: str) -> None:
    """Until the story of some call says that this verb has begun."""
    async with asyncio.timeout(PATIENCE_S):
        while not await rows(
            board, "SELECT FROM events WHERE kind = 'flow.verb_started' AND data ->> 'verb' = $1", verb
        ):
            await board.parts.journal.flush()  # it writes by the clock that the test holds
            await asyncio.sleep(0.02)


async def test_a_conference_whose_node_dies_goes_on_where_its_participants_are(
    board: Switchboard, tmp_path: Path
) -> None:
    async with callback_server(voice=[ROOM]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        async with (
            second_node(board, tmp_path / "second") as (dying, there),
            second_node(board, tmp_path / "third") as (_, elsewhere),
        ):
            await _opens_the_room(board, there, FIRST)
            staying = [await call_in(board, SECOND), await _call_at(board, elsewhere, THIRD)]
            await until_seated(board, 3)
            await _dies(board, dying)
            seats = await until_seated(board, 2)
            assert await speak_together(staying, TONES[1:]) == [{1300.0}, {900.0}]
            (room,) = await rows(board, "SELECT node_id, status FROM rooms")
            for phone in staying:
                await phone.sip.bye()
            await nothing_left(board)
        left = await rows(board, "SELECT leave_reason FROM room_seats ORDER BY id")
    assert (room["node_id"], room["status"]) == (board.parts.node.node_id, "live")
    assert {seat["room_id"] for seat in seats} == {seats[0]["room_id"]}
    assert [row["leave_reason"] for row in left] == ["node_lost", "hangup", "hangup"]


@pytest.mark.parametrize("ends", [True, False])
async def test_a_conference_ends_with_its_node_when_it_cannot_go_on_and_the_flows_do(
    board: Switchboard, tmp_path: Path, ends: bool
) -> None:
    """Who was lost may have been the one that ends it; a node that stops in good order lets go of its rooms as well."""
    host: list[object] = [{"conference": {"name": "board", "endOnExit": ends}}]
    flow: list[object] = [*ROOM, {"pause": {"length": 300}}]
    async with callback_server(voice=[host, flow]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        async with second_node(board, tmp_path / "second") as (dying, there):
            await _opens_the_room(board, there, FIRST)
            guest = await call_in(board, SECOND)
            await until_seated(board, 2)
            if ends:
                await _dies(board, dying)
                await _until_told(board, "pause")
            else:
                await dying.rooms.close()
                await until_seated(board, 1)
            await guest.sip.bye()
        await nothing_left(board)
        (room,) = await rows(board, "SELECT end_reason FROM rooms")
    assert room["end_reason"] == ("node_lost" if ends else "everybody_left")
