"""A conference's recording, steered by its own address while the participants come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, holds_tone
from node.live.recordings import said, stored, until_carried_out
from node.room_party import call_in, call_of, kinds, until_rows, until_seated
from node.second_node import second_node
from node.switchboard import PARTIES, Switchboard
from sautikitd.node.rooms.homes import RoomHomes
from sautikitd.voice.rooms import MediaRoom
from simulators.carrier.far_side import Phone

FIRST, SECOND, THIRD = PARTIES
BEFORE, MEANWHILE, AFTER, TOO_LATE = 500, 900, 1300, 1700
ROOM: list[object] = [{"conference": {"name": "board", "record": True}}]
RUNNING = "SELECT id, call_id, node_id FROM recordings WHERE status = 'recording'"


@asynccontextmanager
async def _a_recorded_room(board: Switchboard) -> AsyncIterator[tuple[Phone, Phone, Any]]:
    """Two in a conference, and the row of its recording."""
    async with callback_server(voice=[ROOM]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        first, second = [await call_in(board, caller) for caller in (FIRST, SECOND)]
        await until_seated(board, 2)
        (recording,) = await until_rows(board, 1, RUNNING)
        yield first, second, recording


async def _leaves(board: Switchboard, phone: Phone) -> None:
    await phone.sip.bye()
    await until_seated(board, 1)
    await until_rows(board, 1, "SELECT FROM calls WHERE status = 'completed'")


async def _until_idle(board: Switchboard) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while board.parts.node.calls:
            await asyncio.sleep(0.02)


async def _heard_of(
    board: Switchboard, api: httpx.AsyncClient, phone: Phone, recording: Any, folder: Path
) -> Any:
    """Pauses, resumes and stops it while somebody speaks; which of his tones it has kept."""
    address = f"/v1/recordings/{recording['id']}"
    await phone.peer.say(said(BEFORE))
    for number, (order, hertz) in enumerate(
        [("pause", MEANWHILE), ("resume", AFTER), ("stop", TOO_LATE)], start=1
    ):
        assert (await api.post(f"{address}/{order}")).status_code == 202
        await until_carried_out(board, number)
        await phone.peer.say(said(hertz))
    content = await stored(api, address, folder)
    late = await api.post(f"{address}/pause")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "calls.recording_not_running")
    return {hertz: holds_tone(content, hertz) for hertz in (BEFORE, MEANWHILE, AFTER, TOO_LATE)}


async def test_it_obeys_when_the_call_that_came_first_has_ended(
    board: Switchboard, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with _a_recorded_room(board) as (first, second, recording):
        assert recording["call_id"] == await call_of(board, FIRST)
        await _leaves(board, first)
        kept = await _heard_of(board, api, second, recording, tmp_path)
    assert kept == {BEFORE: True, MEANWHILE: False, AFTER: True, TOO_LATE: False}


async def test_it_obeys_when_every_call_of_its_node_has_ended(
    board: Switchboard, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    home = board.exchange.node
    async with second_node(board, tmp_path / "second") as (_, there), callback_server(voice=[ROOM]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        first = await call_in(board, FIRST)
        board.exchange.node = there
        second = await call_in(board, SECOND)
        board.exchange.node = home
        await until_seated(board, 2)
        (recording,) = await until_rows(board, 1, RUNNING)
        await _leaves(board, first)
        assert recording["node_id"] == board.parts.node.node_id
        await _until_idle(board)
        kept = await _heard_of(board, api, second, recording, tmp_path)
        await second.sip.bye()
        await until_rows(board, 0, "SELECT FROM rooms WHERE ended_at IS NULL")
    assert kept == {BEFORE: True, MEANWHILE: False, AFTER: True, TOO_LATE: False}


@pytest.mark.parametrize("leaving", [True, False])
async def test_stopped_by_its_own_address_it_is_the_conference_that_is_not_recorded_any_more(
    board: Switchboard, api: httpx.AsyncClient, leaving: bool
) -> None:
    async with _a_recorded_room(board) as (first, _, recording):
        if leaving:
            await _leaves(board, first)
        assert (await api.post(f"/v1/recordings/{recording['id']}/stop")).status_code == 202
        await until_rows(board, 1, "SELECT FROM rooms WHERE NOT recorded")
        shown = (await api.get("/v1/conferences/board")).json()["conference"]
        told = await kinds(board, "conference")
        begun = (await api.post("/v1/conferences/board/recording/start")).json()["conference"]
        (again,) = await until_rows(board, 1, f"{RUNNING} AND id <> $1", recording["id"])
    assert (shown["recorded"], begun["recorded"]) == (False, True)
    assert told[-1] == "recording_stopped"
    assert again["node_id"] == recording["node_id"]


async def test_who_hangs_up_while_it_is_begun_takes_nothing_of_it_with_him(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, heard_of, leaving = asyncio.Event(), asyncio.Event(), asyncio.Event()
    record, release = MediaRoom.record, RoomHomes.release

    async def slowly(room: MediaRoom, *how: Any) -> UUID:
        recording_id = await record(room, *how)
        begun.set()
        await heard_of.wait()
        return recording_id

    async def leave(homes: RoomHomes, room_id: UUID, seat_id: UUID) -> None:
        leaving.set()
        await release(homes, room_id, seat_id)

    monkeypatch.setattr(MediaRoom, "record", slowly)
    monkeypatch.setattr(RoomHomes, "release", leave)
    async with callback_server(voice=[ROOM]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        _, second = [await call_in(board, caller) for caller in (FIRST, SECOND)]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await begun.wait()
                await second.sip.bye()
                await leaving.wait()
        finally:
            heard_of.set()
        await until_rows(board, 1, "SELECT FROM calls WHERE status = 'completed'")
        (room,) = await until_rows(board, 1, "SELECT recording_id FROM rooms WHERE recording_id IS NOT NULL")
        (recording,) = await until_rows(board, 1, "SELECT id FROM recordings")
    assert room["recording_id"] == recording["id"]
