"""Cursor pagination: newest first, stable while rows are added, because ids are time-ordered."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec

from sautikitd.http.errors import InvalidCursor

T = TypeVar("T")
R = TypeVar("R")

Limit = Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to return.")]


class Page(msgspec.Struct, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    data: Sequence[T]
    next_cursor: str | None


def encode_cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(b"\x01" + last.bytes).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> UUID | None:
    """The id after which the page starts; None for the first page."""
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidCursor from exc
    if len(raw) != 17 or raw[0] != 1:
        raise InvalidCursor
    return UUID(bytes=raw[1:])


def page(rows: Sequence[R], limit: int, show: Callable[[R], T], id_of: Callable[[R], UUID]) -> Page[T]:
    """Makes a page of rows that were asked for with `LIMIT limit + 1`."""
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([show(row) for row in rows], encode_cursor(id_of(rows[-1])) if more else None)
