"""Legs are spread over the media processes, and what these hold is on the node's metrics."""

import os
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sautikitd.voice.media.protocol import LATE_MS, Beat, Gauges
from sautikitd.voice.media_metrics import MediaMetrics, read
from sautikitd.voice.media_pool import MediaPool, processes_for


@pytest.mark.parametrize(
    ("calls", "cores", "processes"),
    [(1, 8, 1), (250, 8, 1), (251, 8, 2), (500, 2, 2), (500, 1, 1), (5000, 16, 16)],
)
def test_there_is_a_process_for_each_250_calls_and_no_more_than_cores(
    calls: int, cores: int, processes: int
) -> None:
    assert processes_for(calls, cores) == processes
    assert processes_for(calls) <= (os.cpu_count() or 1)


async def test_a_leg_goes_where_the_fewest_are(free_pool: MediaPool) -> None:
    first = free_pool.pick()
    await first.open_leg("a")
    await first.open_leg("b")
    second = free_pool.pick()
    assert second is not first
    await second.open_leg("c")
    assert free_pool.pick() is second
    await first.close_leg("a")
    await first.close_leg("b")
    assert free_pool.pick() is first
    readings = await read(free_pool)
    assert sorted(gauges.legs for gauges, _ in readings.values()) == [0, 1]
    assert all(sum(beat.late) > 0 and beat.busy_s > 0 for _, beat in readings.values())


@pytest.fixture
async def free_pool() -> AsyncIterator[MediaPool]:
    pool = MediaPool(bind_address="127.0.0.1", port_range=(0, 0), size=2)
    await pool.start(lambda _: None)
    yield pool
    await pool.close()


async def test_the_metrics_add_up_as_prometheus_has_them() -> None:
    metrics, registry = MediaMetrics(), CollectorRegistry()
    registry.register(metrics)
    late = (5, 3, *[0] * (len(LATE_MS) - 2), 1)
    beat = Beat(late=late, late_s=0.25, skipped=4, busy_s=1.5, collection_ms=2.0)
    pool = MediaPool(bind_address="127.0.0.1", port_range=(0, 0))
    metrics.note(pool, {1: (Gauges(legs=7, plays=0, recordings=2, rooms=0, sockets=14), beat)})
    text = generate_latest(registry).decode()
    for line in (
        'sautikit_media_legs{process="1"} 7.0',
        'sautikit_media_tick_late_seconds_bucket{le="0.001",process="1"} 5.0',
        'sautikit_media_tick_late_seconds_bucket{le="0.002",process="1"} 8.0',
        'sautikit_media_tick_late_seconds_bucket{le="+Inf",process="1"} 9.0',
        'sautikit_media_tick_late_seconds_sum{process="1"} 0.25',
        'sautikit_media_ticks_skipped_total{process="1"} 4.0',
        'sautikit_media_collection_seconds{process="1"} 0.002',
    ):
        assert line in text.splitlines()
    metrics.forget(pool)
    assert "process=" not in generate_latest(registry).decode()
