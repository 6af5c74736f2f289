"""A recording that is begun, paused, resumed and stopped by the API while its call goes on."""

import asyncio
import wave
from pathlib import Path

import httpx
import numpy as np

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, holds_tone
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from voice.media.rtp_peer import Samples, sine

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
        await _carried_out(board, 1)
        await caller.peer.say(_said(BEFORE))
        for number, (order, hertz) in enumerate(
            [("pause", MEANWHILE), ("resume", AFTER), ("stop", TOO_LATE)], start=2
        ):
            assert (await api.post(f"{recording}/{order}")).status_code == 202
            await _carried_out(board, number)
            await caller.peer.say(_said(hertz))
        content = await _stored(api, recording, tmp_path)
        (call,) = await board.calls()
        assert call.status is CallStatus.ANSWERED
        await caller.sip.bye()
        await board.over()
    heard = {hertz: holds_tone(content, hertz) for hertz in (BEFORE, MEANWHILE, AFTER, TOO_LATE)}
    assert heard == {BEFORE: True, MEANWHILE: False, AFTER: True, TOO_LATE: False}


def _said(hertz: float) -> Samples:
    """A tone, and silence until the last of it has gone through the jitter buffer."""
    return np.concatenate([sine(hertz, 0.6), np.zeros(3200)])


async def _carried_out(board: Switchboard, count: int) -> None:
    """Waits until the node has done what was asked of it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with board.platform.database.connection() as connection:
                rows = await connection.fetch("SELECT outcome FROM call_commands WHERE done_at IS NOT NULL")
            if len(rows) == count:
                assert {row["outcome"] for row in rows} == {"done"}
                return
            await asyncio.sleep(0.02)


async def _stored(api: httpx.AsyncClient, recording: str, folder: Path) -> Samples:
    async with asyncio.timeout(PATIENCE_S):
        while (await api.get(recording)).json()["recording"]["status"] != "ready":
            await asyncio.sleep(0.02)
    name = recording.rpartition("/")[2]
    (found,) = await asyncio.to_thread(lambda: [file for file in folder.rglob("*.wav") if name in str(file)])
    with wave.open(str(found), "rb") as file:
        samples: Samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    return samples
