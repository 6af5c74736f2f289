"""What is asked of a live call is done when it is told of, not when somebody looks next: within a tenth of a second is a
matter of waking. How many milliseconds it comes to is measured by `bench/live_control.py`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears_tone
from node.room_party import call_in, call_of, until_seated
from node.switchboard import PARTIES, Switchboard
from sautikitd.calls import commands
from sautikitd.database.wake import Listener
from sautikitd.node.live import commander
from sautikitd.node.rooms import board as rooms_board
from sautikitd.rooms.models import CHANNEL as ROOMS
from simulators.carrier.far_side import Phone
from voice.media.rtp_peer import sine

FIRST, SECOND, _ = PARTIES
NEVER_S = 3600.0


@asynccontextmanager
async def _never_looking(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A node that listens as a node of an installation does, and polls once an hour."""
    monkeypatch.setattr(commander, "POLL_S", NEVER_S)
    monkeypatch.setattr(rooms_board, "POLL_S", NEVER_S)
    channels = {commands.CHANNEL: board.parts.wake, ROOMS: board.parts.wake}
    listening = asyncio.create_task(Listener(board.platform.database_url, channels).run())
    board.parts.wake()  # so that the wait that has begun is the last of its kind
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _until_heard(phone: Phone, hertz: float) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(phone.peer, hertz):
            await asyncio.sleep(0.02)


async def test_a_new_flow_and_a_hang_up_need_no_look(
    board: Switchboard, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with callback_server(voice=[[{"play": {"tone": "dial", "loop": 100}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        async with _never_looking(board, monkeypatch):
            caller = await call_in(board, FIRST)
            await _until_heard(caller, 425)
            call = f"/v1/calls/{await call_of(board, FIRST)}"
            flow = {"actions": [{"play": {"tone": "beep", "loop": 100}}]}
            assert (await api.patch(call, json=flow)).status_code == 200
            await _until_heard(caller, 1000)
            assert (await api.post(f"{call}/hangup")).status_code == 200
            await board.over()


async def test_nor_does_a_conference_that_is_told_to_hush_somebody(
    board: Switchboard, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with callback_server(voice=[[{"conference": {"name": "board"}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        async with _never_looking(board, monkeypatch):
            speaker, listener = [await call_in(board, caller) for caller in (FIRST, SECOND)]
            await until_seated(board, 2)
            speaking = asyncio.ensure_future(speaker.peer.say(sine(500, 20, 6000)))
            await _until_heard(listener, 500)
            path = f"/v1/conferences/board/participants/{await call_of(board, FIRST)}/mute"
            assert (await api.post(path)).status_code == 200
            async with asyncio.timeout(PATIENCE_S):
                while hears_tone(listener.peer, 500):
                    await asyncio.sleep(0.02)
            assert not speaking.done()
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
