"""The parameters of an operation: what stands in its path, its query and its headers."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from sautikitd.http.endpoint import Endpoint

REF = "#/components/schemas/{name}"
_IN_PATH = re.compile(r"\{(\w+)\}")
_LATEST_UNIX_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_UUID = "01939f3e-7c1a-7b52-9d6a-3f0c2f6f1a11"

# What names a thing in a path: description, schema, example.
_PATH: dict[str, tuple[str, dict[str, Any], str]] = {
    "conference": (
        "The conference's `id`, or the name of a live one.",
        {"type": "string", "minLength": 1},
        _UUID,
    ),
    "queue": ("The queue's `id` or name.", {"type": "string", "minLength": 1}, "support"),
    "call_id": (
        "The call, by its `id` or its `session_id`.",
        {"type": "string", "minLength": 1},
        "HD_0f3a9c21b7de",
    ),
    "token": ("The signed part of a link of ours.", {"type": "string", "minLength": 1}, "eyJrIjoi…"),
}
# Query parameters that many lists share: description where the field has none, and an example.
_QUERY: dict[str, tuple[str, Any]] = {
    "limit": ("How many to return.", 25),
    "cursor": ("`next_cursor` of the page before.", None),
    "from": ("Not before this moment.", "2026-11-01T00:00:00Z"),
    "to": ("Before this moment.", "2026-12-01T00:00:00Z"),
    "created_after": ("Not before this moment.", "2026-11-01T00:00:00Z"),
    "created_before": ("Before this moment.", "2026-12-01T00:00:00Z"),
    "status": ("Only those in this state.", None),
    "direction": ("Only calls that came in, or went out.", "outbound"),
    "q": ("Part of the far number or of the session id.", "0712"),
    "session_id": ("Only the call with this session id.", "HD_0f3a9c21b7de"),
    "number_id": ("Only what belongs to this number.", _UUID),
    "call_id": ("Only what belongs to this call.", _UUID),
    "parent_call_id": ("Only the legs of this call.", _UUID),
    "event_id": ("Only this event.", _UUID),
    "kind": ("Only events of this kind.", "call.completed"),
    "type": ("Only those of this type.", None),
    "format": ("`csv` streams every match instead of a page.", "json"),
    "country": ("Only numbers of this country.", "KE"),
    "area_code": ("Only numbers of this area.", "020"),
    "contains": ("Digits found in the number; `*` stands for any.", "555"),
    "capability": ("Only numbers that can do this.", "voice"),
    "since": ("From when to count.", "today"),
    "bucket": ("Adds a series with one entry an hour (of the last 31 days at most) or a day (366).", "day"),
}


def parameters_of(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    yield from _in_path(endpoint)
    yield from _in_query(endpoint)
    yield from _in_headers(endpoint)


def _in_path(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in _IN_PATH.findall(endpoint.path):
        noun = name.removesuffix("_id").replace("_", " ")
        description, schema, example = _PATH.get(
            name, (f"The `id` of the {noun}.", {"type": "string", "minLength": 1}, _UUID)
        )
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": schema,
            "example": example,
        }


def _in_query(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    if not endpoint.query:
        return
    for field in msgspec.structs.fields(endpoint.query):
        (schema,), _ = msgspec.json.schema_components([field.type], ref_template=REF)
        schema = _without_null(schema)
        if isinstance(field.default, bool | int | str):
            schema["default"] = field.default
        description, example = _QUERY.get(field.encode_name, ("", None))
        parameter = {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "description": schema.pop("description", "")
            or description
            or "See the description of the operation.",
            "schema": _as_text(schema),
        }
        shown = example is not None and "$ref" not in schema  # one of a few values, of which ours may be none
        yield parameter | ({"example": example} if shown else {})


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a parameter that is not wanted is left out."""
    schema.pop("default", None)
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == 1:
        return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}
    return schema


def _as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Times in a query may be unix seconds as well."""
    if schema.get("format") != "date-time":
        return schema
    return {"anyOf": [schema, {"type": "number", "minimum": 0, "maximum": _LATEST_UNIX_SECOND}]}


def _in_headers(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    yield {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "Your own name for the request, echoed in the answer; one that is not sane is replaced.",
        "schema": {"type": "string"},
        "example": "order-4711",
    }
    if endpoint.method == "POST" and endpoint.authenticated:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "1 to 255 visible ASCII characters. The same key and body within 24 hours get the first answer again.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "example": "6f1d7f0e-2f0b-4c1e-9a55-1f2f3a4b5c6d",
        }
    if endpoint.is_single_object:
        yield {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The `ETag` of what you have; 304 when it is still the same.",
            "schema": {"type": "string"},
            "example": 'W/"5d41402abc4b2a76b9719d91"',
        }
