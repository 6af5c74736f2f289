"""What /metrics says of the HTTP API."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("sautikit_http_requests_total", "Requests answered.", ["method", "path", "status"])
DURATION = Histogram("sautikit_http_request_seconds", "Time to answer a request.", ["method", "path"])
