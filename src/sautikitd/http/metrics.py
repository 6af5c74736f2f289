"""What /metrics says of the HTTP API.

prometheus_client takes two locks and walks the buckets for every request; one loop asks for no locks, so the numbers are
kept plain and put into its form when somebody comes to read them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_NAMES = [*(str(bound) for bound in _BUCKETS), "+Inf"]


class _Durations:
    __slots__ = ("met", "total")

    def __init__(self) -> None:
        self.met = [0] * len(_NAMES)
        self.total = 0.0


class HttpMetrics(Collector):
    """Requests by endpoint and status, and how long they took."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[tuple[str, str], _Durations] = {}

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """`path` is an endpoint's, with its placeholders: there are only so many."""
        self._answered[method, path, status] += 1
        durations = self._durations.get((method, path))
        if durations is None:
            durations = self._durations[method, path] = _Durations()
        durations.met[bisect_left(_BUCKETS, seconds)] += 1
        durations.total += seconds

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "sautikit_http_requests", "Requests answered.", labels=["method", "path", "status"]
        )
        for (method, path, status), answered in self._answered.items():
            requests.add_metric([method, path, str(status)], answered)
        yield requests
        seconds = HistogramMetricFamily(
            "sautikit_http_request_seconds", "Time to answer a request.", labels=["method", "path"]
        )
        for (method, path), durations in self._durations.items():
            buckets = list(zip(_NAMES, accumulate(map(float, durations.met)), strict=True))
            seconds.add_metric([method, path], buckets, durations.total)
        yield seconds


_METRICS = HttpMetrics()
REGISTRY.register(_METRICS)
count = _METRICS.count
