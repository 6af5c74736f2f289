"""What is said into a recording, when it was told something, and what it holds once it is stored."""

import asyncio
import wave
from pathlib import Path

import httpx
import numpy as np

from node.exchange import PATIENCE_S
from node.switchboard import Switchboard
from voice.media.rtp_peer import Samples, sine


def said(hertz: float) -> Samples:
    """A tone, and silence until the last of it has gone through the jitter buffer."""
    return np.concatenate([sine(hertz, 0.6), np.zeros(3200)])


async def until_carried_out(board: Switchboard, count: int) -> None:
    """Waits until the node has done what was asked of it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with board.platform.database.connection() as connection:
                rows = await connection.fetch("SELECT outcome FROM call_commands WHERE done_at IS NOT NULL")
            if len(rows) == count:
                assert {row["outcome"] for row in rows} == {"done"}
                return
            await asyncio.sleep(0.02)


async def stored(api: httpx.AsyncClient, recording: str, folder: Path) -> Samples:
    """What the recording at this address holds, as soon as it is ready."""
    async with asyncio.timeout(PATIENCE_S):
        while (await api.get(recording)).json()["recording"]["status"] != "ready":
            await asyncio.sleep(0.02)
    name = recording.rpartition("/")[2]
    (found,) = await asyncio.to_thread(lambda: [file for file in folder.rglob("*.wav") if name in str(file)])
    with wave.open(str(found), "rb") as file:
        samples: Samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    return samples
