"""Cursor pagination: newest first, stable while rows are added, because ids are time-ordered.

A cursor is good for the list it came from: it carries four bytes that stand for the list's address.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec

from sautikitd.http.errors import InvalidCursor

T = TypeVar("T")
R = TypeVar("R")

_NO_LIST = bytes(4)

Limit = Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to return.")]


class Page(msgspec.Struct, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    data: Sequence[T]
    next_cursor: str | None


def encode_cursor(last: UUID) -> str:
    """Of no list yet."""
    return _encoded(_NO_LIST, last)


def decode_cursor(cursor: str | None) -> UUID | None:
    """The id after which the page starts; None for the first page. Raises `InvalidCursor`."""
    return _decoded(cursor)[1] if cursor else None


def bind(page: Page[T], path: str) -> None:
    """Makes the cursor of a page one of the list at `path`, an endpoint's."""
    if page.next_cursor is not None:
        page.next_cursor = _encoded(_mark_of(path), _decoded(page.next_cursor)[1])


def is_cursor_of(cursor: str, path: str) -> bool:
    """Whether a cursor came from the list at `path`, an endpoint's."""
    try:
        return not cursor or _decoded(cursor)[0] == _mark_of(path)
    except InvalidCursor:
        return False


def _encoded(mark: bytes, last: UUID) -> str:
    return base64.urlsafe_b64encode(b"\x02" + mark + last.bytes).decode()


def _decoded(cursor: str) -> tuple[bytes, UUID]:
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidCursor from exc
    if len(raw) != 21 or raw[0] != 2 or base64.urlsafe_b64encode(raw).decode() != cursor:
        raise InvalidCursor
    return raw[1:5], UUID(bytes=raw[5:])


@cache
def _mark_of(path: str) -> bytes:
    return hashlib.blake2b(path.encode(), digest_size=4).digest()


def page(rows: Sequence[R], limit: int, show: Callable[[R], T], id_of: Callable[[R], UUID]) -> Page[T]:
    """Makes a page of rows that were asked for with `LIMIT limit + 1`."""
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([show(row) for row in rows], encode_cursor(id_of(rows[-1])) if more else None)
