"""Which bytes of a file a request wants (RFC 9110 §13 and §14)."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from sautikitd.recordings.errors import RangeNotSatisfiable
from sautikitd.recordings.store import StoredObject

_ONE_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.ASCII | re.IGNORECASE)


class Slice(msgspec.Struct, frozen=True):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def not_modified(headers: Mapping[str, str], stored: StoredObject) -> bool:
    """Whether the client has this very file already. If-None-Match goes before If-Modified-Since (§13.2.2)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        return "*" in known or stored.etag in known
    return _unchanged_since(headers.get("if-modified-since"), stored, exactly=False)


def wanted(headers: Mapping[str, str], stored: StoredObject) -> Slice | None:
    """The part asked for; None for the whole, which also answers what we need not understand: several
    ranges, other units, nonsense, an If-Range that names another version (§14.2, §13.1.5).

    Raises `RangeNotSatisfiable` (416) for a part that begins beyond the end.
    """
    match = _ONE_RANGE.fullmatch(headers.get("range", ""))
    if match is None or not _same_version(headers.get("if-range"), stored):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, stored.size - int(last)), stored.size
    else:
        start, end = int(first), min(int(last) + 1, stored.size) if last else stored.size
        if last and int(last) < start:
            return None
    if start >= stored.size:
        raise RangeNotSatisfiable(stored.size)
    return Slice(start, end)


def _same_version(condition: str | None, stored: StoredObject) -> bool:
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == stored.etag
    return _unchanged_since(condition, stored, exactly=True)


def _unchanged_since(date: str | None, stored: StoredObject, *, exactly: bool) -> bool:
    """HTTP dates have whole seconds; a date that cannot be read says nothing."""
    if date is None:
        return False
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    modified = stored.modified.replace(microsecond=0)
    return modified == moment if exactly else modified <= moment
