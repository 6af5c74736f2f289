"""A recording that is begun, paused, resumed and stopped by the API while its call goes on."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, holds_tone
from node.live.recordings import said, stored, until_carried_out
from node.switchboard import NUMBER, PARTIES, Switchboard, switchboard
from sautikitd.calls import commands
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.outcomes import CallStatus
from sautikitd.calls.requests import PlaceCall
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from sautikitd.roles import voice
from sautikitd.voice.media_pool import MediaPool

BEFORE, MEANWHILE, AFTER, TOO_LATE = 500, 900, 1300, 1700


async def test_what_is_said_during_a_pause_or_after_the_end_is_not_in_it(
    board: Switchboard, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with callback_server(voice=[[{"answer": {}}, {"pause": {"length": 3600}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        await caller.answered()
        await board.until_all(CallStatus.ANSWERED)
        (call,) = await board.calls()
        begun = await api.post(f"/v1/calls/{call.id}/recordings", json={"channels": "mono"})
        recording = begun.headers["Location"]
        await until_carried_out(board, 1)
        await caller.peer.say(said(BEFORE))
        for number, (order, hertz) in enumerate(
            [("pause", MEANWHILE), ("resume", AFTER), ("stop", TOO_LATE)], start=2
        ):
            assert (await api.post(f"{recording}/{order}")).status_code == 202
            await until_carried_out(board, number)
            await caller.peer.say(said(hertz))
        content = await stored(api, recording, tmp_path)
        (call,) = await board.calls()
        assert call.status is CallStatus.ANSWERED
        await caller.sip.bye()
        await board.over()
    heard = {hertz: holds_tone(content, hertz) for hertz in (BEFORE, MEANWHILE, AFTER, TOO_LATE)}
    assert heard == {BEFORE: True, MEANWHILE: False, AFTER: True, TOO_LATE: False}


async def test_of_several_that_were_rung_the_one_who_took_the_call_has_the_recording(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their legs may be on different media processes, of which one knows the recording."""
    monkeypatch.setattr(voice, "MediaPool", partial(MediaPool, size=2))
    async with switchboard(database_url, tmp_path, funds=10_000) as board:
        await _place(board, to=[*PARTIES[:2]], record=True, actions=[{"pause": {"length": 3600}}])
        await board.exchange.ringing(PARTIES[0])
        callee = await (await board.exchange.ringing(PARTIES[1])).answer()
        recording_id, call_id = await _running(board)
        async with board.platform.database.transaction() as connection:
            payload = {"recording_id": str(recording_id)}
            await commands.give(connection, call_id, CommandKind.RECORDING_STOP, board.clock.now(), payload)
        board.parts.node.wake()
        await until_carried_out(board, 1)
        await callee.sip.bye()


async def _place(board: Switchboard, **wish: Any) -> None:
    async with board.platform.database.transaction() as connection:
        new = NewKey(workspace_id=board.workspace_id, mode="live", name="k", scopes=frozenset("*"))
        key = (await board.platform.api_keys.create(connection, new, OPERATOR, board.clock.now())).record
        principal = Principal(id=key.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))
        await board.platform.placing.place(connection, principal, PlaceCall(from_=NUMBER, **wish))
    board.parts.node.wake()


async def _running(board: Switchboard) -> tuple[UUID, UUID]:
    """The recording that is running, and its call."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with board.platform.database.connection() as connection:
                row = await connection.fetchrow(
                    "SELECT id, call_id FROM recordings WHERE status = 'recording'"
                )
            if row is not None:
                return row["id"], row["call_id"]
            await asyncio.sleep(0.02)
