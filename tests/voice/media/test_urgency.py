"""A media process goes before its neighbours with all of its threads, the one that ticks first."""

import os
from pathlib import Path

import pytest

from sautikitd.voice.media.client import MediaClient


async def test_the_tick_comes_first_and_no_thread_beside_it_waits_for_a_neighbour(tmp_path: Path) -> None:
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=4)
    try:
        if (await media.beat()).scheduling != "real-time":
            pytest.skip("no real-time scheduling here: it takes root or CAP_SYS_NICE")
        await media.open_leg("a")
        await media.start_recording("a", "r", tmp_path / "r.wav", max_ms=1000)
        await media.stop_recording("r")
        threads = {int(name) for name in os.listdir(f"/proc/{media.pid}/task")}
        first = os.sched_getparam(media.pid).sched_priority
        beside = {os.sched_getparam(thread).sched_priority for thread in threads - {media.pid}}
        assert len(threads) > 1
        assert min(beside) > 0
        assert max(beside) < first
    finally:
        await media.close()
