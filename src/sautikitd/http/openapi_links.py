"""OpenAPI links: which part of an answer names what another operation takes in its path (OpenAPI 3.1 §4.8.20)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sautikitd.http.endpoint import Endpoint

_CALL = {"call_id": "$response.body#/call_id"}
_DELIVERY = {"webhook_id": "$request.path.webhook_id", "delivery_id": "$response.body#/delivery/id"}

# Where the ids of an operation's answer are, by path parameter.
_SOURCES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("POST", "/v1/calls"): _CALL,
    ("POST", "/v1/calls/originate"): _CALL,
    ("POST", "/v1/test/calls"): _CALL,
    ("POST", "/v1/numbers/claim"): {"number_id": "$response.body#/number/id"},
    ("POST", "/v1/topups"): {"topup_id": "$response.body#/topup_id"},
    ("POST", "/v1/api-keys"): {"key_id": "$response.body#/api_key/id"},
    ("POST", "/v1/webhooks"): {"webhook_id": "$response.body#/webhook/id"},
    ("POST", "/v1/webhooks/{webhook_id}/test"): _DELIVERY,
    ("GET", "/v1/calls"): {"call_id": "$response.body#/data/0/id"},
    ("GET", "/v1/numbers"): {"number_id": "$response.body#/data/0/id"},
    ("GET", "/v1/events"): {"event_id": "$response.body#/data/0/event_id"},
    ("GET", "/v1/calls/{call_id}/recordings"): {"recording_id": "$response.body#/data/0/id"},
}


def add_links(endpoints: Sequence[Endpoint], paths: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds to each answer that names something the operations that take it."""
    for (method, path), sources in _SOURCES.items():
        operation = paths.get(path, {}).get(method.lower())
        if operation is None:
            continue
        links = {
            target["operationId"]: {"operationId": target["operationId"], "parameters": dict(sources)}
            for target in _taking(endpoints, paths, frozenset(sources))
        }
        status = next(iter(operation["responses"]))
        operation["responses"][status]["links"] = links


def _taking(
    endpoints: Sequence[Endpoint], paths: Mapping[str, Mapping[str, Any]], names: frozenset[str]
) -> Iterator[Mapping[str, Any]]:
    """The operations whose path takes exactly these parameters."""
    for endpoint in endpoints:
        operation = paths[endpoint.path][endpoint.method.lower()]
        taken = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        if taken == names:
            yield operation
