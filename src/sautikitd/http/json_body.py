"""A body as JSON: UTF-8, no name twice in one object, no NaN, no number beyond those that are kept."""

import json
import math
from collections.abc import Iterator
from typing import Any

from sautikitd.http.errors import MalformedJson

UNSTORABLE = "holds the character NUL or half of a surrogate pair"

_MOST_DIGITS = 4000  # of a whole number; Python refuses to read some more


def parse_json(body: bytes) -> Any:
    """Raises `MalformedJson` (400)."""
    try:
        text = body.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("it begins with a byte order mark")
        return _JSON.decode(text)
    except UnicodeDecodeError as exc:
        raise MalformedJson(reason="it is not UTF-8") from exc
    except RecursionError as exc:
        raise MalformedJson(reason="it is nested too deeply") from exc
    except ValueError as exc:
        raise MalformedJson(reason=str(exc).rstrip(".")) from exc


def unstorable(text: str) -> bool:
    """PostgreSQL keeps neither the character NUL nor half a surrogate pair."""
    return "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text))


def holds_unstorable(plain: Any) -> bool:
    """Whether any text in it is `unstorable`, names of fields included."""
    return any(map(unstorable, _strings(plain)))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double!r} stands twice in one object")
    return made


def _strings(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, list):
        for item in plain:
            yield from _strings(item)
    elif isinstance(plain, dict):
        for name, value in plain.items():
            yield name
            yield from _strings(value)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits is beyond those that can be kept")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # it would be kept as null
        raise ValueError(f"{text[:40]} is beyond the numbers that can be kept")
    return number


_JSON = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite
)
