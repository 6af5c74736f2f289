from prometheus_client import CollectorRegistry, generate_latest

from sautikitd.http.metrics import HttpMetrics


def test_requests_are_counted_by_endpoint_and_status_and_timed_by_endpoint() -> None:
    metrics, registry = HttpMetrics(), CollectorRegistry()
    registry.register(metrics)
    for status, seconds in ((200, 0.004), (200, 0.005), (404, 0.3), (200, 60.0)):
        metrics.count("GET", "/v1/things", status, seconds)
    text = generate_latest(registry).decode()
    named = 'method="GET",path="/v1/things"'
    for line in (
        f'sautikit_http_requests_total{{{named},status="200"}} 3.0',
        f'sautikit_http_requests_total{{{named},status="404"}} 1.0',
        f'sautikit_http_request_seconds_bucket{{le="0.005",{named}}} 2.0',
        f'sautikit_http_request_seconds_bucket{{le="0.5",{named}}} 3.0',
        f'sautikit_http_request_seconds_bucket{{le="+Inf",{named}}} 4.0',
        f"sautikit_http_request_seconds_count{{{named}}} 4.0",
    ):
        assert line in text, text
