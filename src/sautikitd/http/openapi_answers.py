"""Answers and events as they look, made from their schemas: an example beside every one of them in the document."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_UUID = "01939f3e-7c1a-7b52-9d6a-3f0c2f6f1a11"
_TIME = "2026-11-23T09:30:00.000Z"

# By the name of the field, where its schema does not say what it looks like. None where the schema allows it.
_VALUES: dict[str, Any] = {
    **dict.fromkeys(
        ("disabled_at", "disabled_reason", "failing_since", "revoked_at", "rolled_to", "expires_at")
    ),
    **dict.fromkeys(
        ("next_cursor", "failure_code", "error", "last_error", "continue_from", "parent_call_id")
    ),
    **dict.fromkeys(("released_at", "past_due_since", "number_ids", "source_cidrs", "control", "sip_reason")),
    "session_id": "HD_0f3a9c21b7de",
    "from": "+254205000001",
    "to": "+254712345678",
    "url": "https://example.co.ke/events",
    "events": ["*"],
    "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "key": "tsk_test_…",
    "hint": "tsk_test_6z…QBkm",
    "scopes": ["calls.read", "calls.write"],
    "country": "KE",
    "locality": "Nairobi",
    "currency": "KES",
    "mpesa_account_ref": "10000012",
    "email": "accounts@example.co.ke",
    "name": "Duka la Mama",
    "slug": "duka-la-mama",
    "label": "Main line",
    "kind": "call.completed",
    "language": "en-KE",
    "text": "Karibu",
    "mode": "test",
    "enabled": True,
    "answered_by": "human",
    "announce": "none",
    "hangup_by": "callee",
    **dict.fromkeys(("hangup_cause", "cause", "reason"), "normal_clearing"),
    **dict.fromkeys(("advice", "suggestion", "failure_reason", "response_body", "outbound_paused")),
    **dict.fromkeys(("number", "forward_to"), "+254205000001"),
    **dict.fromkeys(("at", "now", "start", "since", "respond_before"), _TIME),
    "paid_through": "2026-11-30",
    "status": "completed",
    "state": "active",
    "direction": "outbound",
    "arithmetic": "11 s × 300 / 60 = 55",
    "capabilitie": "voice",
    "codec": "PCMA",
    "cost_currency": "KES",
    "credential": "counter",
    "username": "counter",
    "identity": "wanjiku",
    "password": "9mJx…",
    "token": "eyJrIjoi…",
    "domain": "sip.sautikit.com",
    "destination": "Kenya, mobile",
    "destination_prefixe": "254",
    "prefix": "2547",
    "digits": "1",
    "provider": "mpesa",
    "provider_reference": "SKJ7A1B2C3",
    "reference": "T4K2M9QX7C",
    "overlapping": "whsec_IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=",
    "source_address": "203.0.113.9",
    "user_agent": "Zoiper",
    "transport": "udp",
    "type": "call",
    "description": "Main line",
    "sip_code": 200,
    "response_status": 200,
    "cost_minor": 55,
    "total_cost_minor": 55,
    "rate_per_minute_minor": 300,
    **dict.fromkeys(("seconds", "billed_seconds", "duration_seconds"), 11),
    **dict.fromkeys(("balance_minor", "available_minor", "new_balance_minor", "balance_after_minor"), 100000),
    **dict.fromkeys(("held_minor", "missed", "failed", "failures", "loss_percent"), 0),
    "amount_minor": 50000,
    "basis_points": 1600,
    "vat_basis_points": 1600,
    "mos": 4.3,
    "jitter_ms": 3,
    "duration_ms": 41,
}
_ENDINGS: tuple[tuple[str, Any], ...] = (
    ("e164", "+254205000001"),
    ("_url", "https://example.co.ke/voice"),
    ("_at", _TIME),
    ("_until", _TIME),
    ("_id", _UUID),
)
_FORMATS = {"uuid": _UUID, "date-time": _TIME, "date": "2026-11-23"}
_TYPES: dict[type, tuple[str, ...]] = {
    type(None): ("null",),
    bool: ("boolean",),
    str: ("string",),
    list: ("array",),
    int: ("integer", "number"),
    float: ("number",),
}
_DEEPEST = 6


def add_examples(
    paths: Mapping[str, Mapping[str, Any]], events: Mapping[str, Any], components: Mapping[str, Schema]
) -> None:
    """Beside every success that is JSON, and every event."""
    contents = [
        answer.get("content", {})
        for item in paths.values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if status < "3"
    ]
    contents += [event["post"]["requestBody"]["content"] for event in events.values()]
    for content in contents:
        if described := content.get("application/json"):
            described["example"] = example_of(described["schema"], components)


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value of the schema; `components` are those it refers to."""
    return _Maker(components).value(schema, "", 0)


class _Maker:
    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def value(self, schema: Schema, name: str, depth: int) -> Any:
        if "$ref" in schema:
            return self.value(self._components[schema["$ref"].rpartition("/")[2]], name, depth)
        if "allOf" in schema and "type" not in schema:
            return self._all_of(schema, depth)
        if "const" in schema:
            return schema["const"]
        kinds = self._kinds(schema)
        if name in _VALUES and any(self._takes(one, _VALUES[name]) for one in kinds):
            return _VALUES[name]
        wanted = next((one for one in kinds if one.get("type") != "null"), kinds[0])
        return self._plain(wanted, name, depth) if wanted is schema else self.value(wanted, name, depth)

    @staticmethod
    def _kinds(schema: Schema) -> list[Schema]:
        found: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
        return found

    def _takes(self, schema: Schema, value: Any) -> bool:
        """Whether a value may stand there, by its type and its choices alone."""
        if "$ref" in schema:
            return self._takes(self._components[schema["$ref"].rpartition("/")[2]], value)
        if "enum" in schema:
            return value in schema["enum"]
        if "format" in schema:
            return False
        if schema.get("type") == "array" and isinstance(value, list):
            return all(self._takes(schema.get("items", {}), one) for one in value)
        return schema.get("type") in _TYPES[type(value)]

    def _all_of(self, schema: Schema, depth: int) -> Any:
        """Objects that say more and more of the same thing: a later one goes before."""
        made: dict[str, Any] = {}
        for part in schema["allOf"]:
            whole = {"type": "object", **part} if "properties" in part else part
            made |= self.value(whole, "", depth)
        return made

    def _plain(self, schema: Schema, name: str, depth: int) -> Any:
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object" | None:
                fields = schema.get("properties", {})
                return {one: self.value(kind, one, depth + 1) for one, kind in fields.items()}
            case "array":
                return self._list(schema, name, depth)
            case "string":
                return self._text(schema, name)
            case "integer" | "number":
                return schema.get("minimum", 0 if "minimum" in schema else 1)
            case "boolean":
                return False
        return None

    def _list(self, schema: Schema, name: str, depth: int) -> list[Any]:
        items = schema.get("items", {})
        if depth >= _DEEPEST or not items:
            return []
        singular = name.removesuffix("s")
        return [self.value(items, singular, depth + 1)]

    @staticmethod
    def _text(schema: Schema, name: str) -> str:
        if "format" in schema:
            return str(_FORMATS.get(schema["format"], "…"))
        ending = next((value for end, value in _ENDINGS if name.endswith(end)), None)
        return str(ending or "…")
