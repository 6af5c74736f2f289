"""What `/metrics` shows of the webhook dispatcher."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter(
    "sautikit_webhook_attempts_total", "Delivery attempts by what became of the delivery.", ["outcome"]
)
IN_FLIGHT = Gauge("sautikit_webhook_in_flight", "Deliveries being sent by this dispatcher.")
LAPSED = Counter("sautikit_webhook_leases_lapsed_total", "Deliveries taken back from dispatchers that died.")
DURATION = Histogram(
    "sautikit_webhook_attempt_seconds",
    "Seconds an attempt took, answered or not.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
