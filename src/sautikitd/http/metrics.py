"""What /metrics says of the HTTP API."""

from functools import cache

from prometheus_client import Counter, Histogram

REQUESTS = Counter("sautikit_http_requests_total", "Requests answered.", ["method", "path", "status"])
DURATION = Histogram("sautikit_http_request_seconds", "Time to answer a request.", ["method", "path"])

_requests = cache(REQUESTS.labels)  # finding a child by its labels takes a lock and half a dozen strings
_duration = cache(DURATION.labels)


def count(method: str, path: str, status: int, seconds: float) -> None:
    """`path` is an endpoint's, with its placeholders: there are only so many."""
    _requests(method, path, str(status)).inc()
    _duration(method, path).observe(seconds)
