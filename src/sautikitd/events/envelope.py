"""The body of a delivery. Built from the stored event, so that every delivery and attempt sends the same bytes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.events.models import Mode

BODY_LIMIT = 20 * 1024
"""Bytes of a body, `metadata` and `client_request_id` not counted (contract §6)."""

_ENVELOPE = 512
_UNCOUNTED = frozenset({"metadata", "client_request_id"})


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver reads; `data` has the shape of `kinds.PAYLOADS[kind]`."""

    kind: str
    event_id: UUID
    workspace_id: UUID
    mode: Mode
    occurred_at: str  # RFC 3339, UTC, milliseconds, Z
    data: dict[str, Any]


class SealedEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """An `Envelope` whose data is JSON already, as the database gave it: it need not be read to be sent."""

    kind: str
    event_id: UUID
    workspace_id: UUID
    mode: Mode
    occurred_at: str
    data: msgspec.Raw

    def body(self) -> bytes:
        return msgspec.json.encode(self)


def without_spaces(text: str) -> msgspec.Raw:
    """JSON text in its shortest form, as `BODY_LIMIT` counts it."""
    return msgspec.Raw(msgspec.json.format(text.encode(), indent=-1))


def counted_size(data: Mapping[str, Any]) -> int:
    """Bytes of the envelope around `data` that count towards `BODY_LIMIT`."""
    return _ENVELOPE + len(msgspec.json.encode(_counted(data)))


def bounded(data: dict[str, Any]) -> msgspec.Raw:
    """`data` as JSON where it is small enough, else a copy whose longest lists are emptied until it is.

    The paths of those are named in `truncated`; the whole of them is at the API's address of the object.
    """
    encoded = msgspec.json.encode(data)
    if _ENVELOPE + len(encoded) <= BODY_LIMIT or counted_size(data) <= BODY_LIMIT:
        return msgspec.Raw(encoded)
    cut: dict[str, Any] = msgspec.json.decode(encoded)
    emptied: list[str] = []
    for path, holder, name in sorted(_lists(cut, ""), key=lambda found: -_size(found[1][found[2]])):
        if counted_size(cut) <= BODY_LIMIT:
            break
        holder[name] = []
        emptied.append(path)
        cut["truncated"] = emptied
    return msgspec.Raw(msgspec.json.encode(cut))


def _lists(data: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any], str]]:
    found = [
        (f"{path}/{name}", data, name) for name, value in data.items() if isinstance(value, list) and value
    ]
    for name, value in data.items():
        if isinstance(value, dict) and name not in _UNCOUNTED:
            found += _lists(value, f"{path}/{name}")
    return found


def _size(value: Any) -> int:
    return len(msgspec.json.encode(value))


def _counted(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _counted(value) if isinstance(value, dict) else value
        for name, value in data.items()
        if name not in _UNCOUNTED
    }
