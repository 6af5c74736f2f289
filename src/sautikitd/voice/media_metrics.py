"""The media processes on the voice node's /metrics: what they hold, and whether they keep time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sautikitd.voice.media.client import MediaClient, MediaLost
from sautikitd.voice.media.protocol import LATE_MS, Beat, Gauges
from sautikitd.voice.media_pool import MediaPool

_INTERVAL_S = 5.0
_LABEL = ["process"]
# Fields of `Gauges`: all zero when no call is up.
_HELD = {
    "legs": "Legs with media.",
    "plays": "Sounds being played.",
    "recordings": "Recordings running.",
    "rooms": "Conferences and bridges.",
    "sockets": "Open RTP and RTCP sockets.",
    "forks": "Streams of legs to servers.",
}

Reading = tuple[Gauges, Beat]
Readings = dict[int, Reading]


class MediaMetrics(Collector):
    """The last readings of the processes of each pool, by process id."""

    def __init__(self) -> None:
        self._readings: dict[MediaPool, Readings] = {}

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def note(self, pool: MediaPool, readings: Readings) -> None:
        self._readings[pool] = readings

    def forget(self, pool: MediaPool) -> None:
        self._readings.pop(pool, None)

    def collect(self) -> Iterator[Metric]:
        held = {
            name: GaugeMetricFamily(f"sautikit_media_{name}", meaning, labels=_LABEL)
            for name, meaning in _HELD.items()
        }
        late = HistogramMetricFamily(
            "sautikit_media_tick_late_seconds", "How late each tick of 20 ms began.", labels=_LABEL
        )
        skipped = CounterMetricFamily(
            "sautikit_media_ticks_skipped", "Ticks that were too late to send anything.", labels=_LABEL
        )
        busy = CounterMetricFamily("sautikit_media_busy_seconds", "Processor time used.", labels=_LABEL)
        collection = GaugeMetricFamily(
            "sautikit_media_collection_seconds", "The longest garbage collection so far.", labels=_LABEL
        )
        every = [reading for readings in self._readings.values() for reading in readings.items()]
        for pid, (gauges, beat) in every:
            label = [str(pid)]
            for name, family in held.items():
                family.add_metric(label, getattr(gauges, name))
            late.add_metric(label, _buckets(beat), beat.late_s)
            skipped.add_metric(label, beat.skipped)
            busy.add_metric(label, beat.busy_s)
            collection.add_metric(label, beat.collection_ms / 1000)
        yield from (*held.values(), late, skipped, busy, collection)


def _buckets(beat: Beat) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    limits = [str(limit / 1000) for limit in LATE_MS] + ["+Inf"]
    return [(limit, sum(beat.late[: index + 1])) for index, limit in enumerate(limits)]


MEDIA = MediaMetrics()
REGISTRY.register(MEDIA)


@asynccontextmanager
async def media_metrics(pool: MediaPool) -> AsyncIterator[None]:
    """Reads the pool's processes every five seconds while it lasts, for /metrics of this process."""
    reading = asyncio.ensure_future(_keep_reading(pool))
    try:
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        MEDIA.forget(pool)


async def _keep_reading(pool: MediaPool) -> None:
    while True:
        MEDIA.note(pool, await read(pool))
        await asyncio.sleep(_INTERVAL_S)


async def read(pool: MediaPool) -> Readings:
    """Of the processes that are up."""
    clients = pool.clients
    readings = await asyncio.gather(*(_read_one(client) for client in clients))
    return {
        client.pid: reading for client, reading in zip(clients, readings, strict=True) if reading is not None
    }


async def _read_one(client: MediaClient) -> Reading | None:
    try:
        return await client.gauges(), await client.beat()
    except MediaLost:  # it is being replaced
        return None
