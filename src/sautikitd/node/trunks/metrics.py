"""What `/metrics` of a voice node shows of its trunks, by their names."""

from prometheus_client import Counter, Gauge

FAILED = Counter(
    "sautikit_trunk_failures_total",
    "Calls that a trunk failed before anything rang.",
    ["trunk", "moved"],  # moved: whether they went on over another trunk
)
REFUSED = Counter(
    "sautikit_trunk_calls_refused_total",
    "Calls in that came above the channels of their trunk and were answered with 503.",
    ["trunk"],
)
UP = Gauge(
    "sautikit_trunk_up", "1 for a trunk that this node last saw well, 0 for one that comes last.", ["trunk"]
)
