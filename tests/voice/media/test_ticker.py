"""The beat of the media process: late ticks are made up for or accounted for, and garbage waits for a pause."""

import asyncio
import gc
import time
from pathlib import Path

import numpy as np
import pytest

from sautikitd.voice.media.plane import Plane
from sautikitd.voice.media.protocol import RemoteMedia, StartRecording
from sautikitd.voice.media.ticker import Collector, Pace, Ticker
from sautikitd.voice.media.wire.ports import Ports
from voice.media.rtp_peer import Peer, sine
from voice.media.sound_file import read_wav


class Counting:
    idle = True

    def __init__(self) -> None:
        self.ticks = self.skipped = 0
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def send(self) -> None:
        self.ticks += 1
        assert self.ticks == self.prepared

    def skip(self, ticks: int) -> None:
        self.skipped += ticks


async def test_every_20_ms_is_a_tick_or_skipped() -> None:
    plane = Counting()
    start = time.monotonic()
    ticker = Ticker(plane)
    ticker.run()
    held_up_until = start + 0.3
    while time.monotonic() < held_up_until:  # something else has the process
        pass
    while plane.ticks < 10:
        await asyncio.sleep(0.005)  # of a timer, not an event
    passed = (time.monotonic() - start) / 0.02
    ticker.stop()
    assert plane.skipped >= 10
    assert abs(plane.ticks + plane.skipped - passed) <= 2
    assert ticker.beat.skipped == plane.skipped
    assert ticker.beat.late[-1] == 1  # more than 80 ms
    assert ticker.beat.late_s > 0.2


def test_packets_leave_evenly_when_ticks_take_unevenly_long() -> None:
    pace = Pace()
    ready = [0.001 if tick % 3 else 0.008 for tick in range(60)]
    sent = [20 * tick + 1000 * (late + pace.wait(late)) for tick, late in enumerate(ready)]  # ms
    assert np.abs(np.diff(sent) - 20).max() < 0.1


def test_packets_wait_for_the_slowest_ticks_of_late_and_never_long() -> None:
    pace = Pace()
    assert pace.wait(0.0005) == 0
    assert pace.wait(0.1) == 0
    assert pace.wait(0.001) <= 0.016
    for _ in range(3000):  # a minute on
        left = pace.wait(0.0005)
    assert left < 0.0002


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    generations: list[int] = []

    def collect(generation: int) -> int:
        generations.append(generation)
        return 0

    monkeypatch.setattr(gc, "collect", collect)
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, 0))
    return generations


def test_garbage_is_collected_in_a_pause_and_in_the_end_without(collected: list[int]) -> None:
    collector = Collector()
    for _ in range(1000):
        collector.after_tick(0.001, idle=False)
    assert collected == []
    collector.after_tick(0.015, idle=False)
    assert collected == [0]
    for _ in range(1500):
        collector.after_tick(0.001, idle=False)
    assert collected == [0, 0]


def test_all_of_it_is_collected_each_minute_unless_that_takes_long(collected: list[int]) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.004
        return now

    collector = Collector(clock)
    for _ in range(3000):
        collector.after_tick(0.015, idle=False)
    assert collected.count(2) == 1
    for _ in range(6000):
        collector.after_tick(0.015, idle=False)
    assert collected.count(2) == 1
    for _ in range(3000):
        collector.after_tick(0.015, idle=True)
    assert collected.count(2) == 2


def test_things_that_come_in_a_rush_are_looked_through_a_few_at_a_time(
    collected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand calls at once would else be one collection of tens of milliseconds."""
    collector = Collector()
    monkeypatch.setattr(gc, "get_count", lambda: (6_000, 0, 0))
    for _ in range(10):
        collector.after_tick(0.001, idle=False)
    assert collected == [0] * 10
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, 0))
    for _ in range(7000):
        collector.after_tick(0.015, idle=False)
    assert 2 not in collected  # so many would take too long while there are calls
    for _ in range(300):
        collector.after_tick(0.015, idle=True)
    assert collected.count(2) == 1


async def test_what_is_slept_through_is_recorded_all_the_same(tmp_path: Path) -> None:
    plane = Plane(Ports("127.0.0.1", 0, 0), lambda _: None, capacity=4, silent_after_s=60)
    peer = Peer()
    local = plane.open_leg("a")
    peer.to = (local.address, local.rtp_port)
    plane.configure_leg("a", RemoteMedia(address="127.0.0.1", rtp_port=peer.port, dtmf_payload_type=101))
    order = StartRecording(
        leg_id="a",
        recording_id="r",
        path=str(tmp_path / "r.wav"),
        channels=1,
        max_ms=60_000,
        silence_ms=None,
        trim_silence=False,
        include_sent=False,
    )
    await plane.record(order)
    for index, datagram in enumerate(peer.frames(sine(500, 1.0))):
        peer.transmit(datagram)
        if not 20 <= index < 40:
            plane.tick()
        elif index == 39:  # 400 ms in which the process did not run
            plane.skip(20)
    for _ in range(5):
        plane.tick()
    await plane.close()
    peer.close()
    heard = read_wav(tmp_path / "r.wav")[0]
    assert len(heard) == 55 * 160
    frames = np.abs(heard.reshape(-1, 160)).max(axis=1)
    assert (frames[2:52] > 7000).all()  # behind 40 ms of jitter buffer, and without a hole
