"""Times and JSON as the contract shows them: RFC 3339, UTC, milliseconds, `Z`."""

from datetime import UTC, datetime
from typing import Any

import msgspec


def rfc3339(moment: datetime) -> str:
    """`2026-11-23T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def shown(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def encode_json(value: Any) -> bytes:
    return msgspec.json.encode(value)
