"""What the JSON reader says is wrong with a value, in the words of those who send it."""

import enum
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_NOUNS = {
    "array": "a list",
    "datetime": "a time",
    "uuid": "a UUID",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "text",
}
_EXPECTED = re.compile(r"[Ee]xpected `([a-z |]+)`, got `([a-z]+)`")
_LENGTH = re.compile(r"[Ee]xpected `(str|array)` of length (<=|>=|==) (\d+)")
_SIZE = re.compile(r"[Ee]xpected `(?:int|float)` (<=|>=|<|>) (-?[0-9.]+)")
_MULTIPLE = re.compile(r"[Ee]xpected `int` that's a multiple of (\d+)")
_PLAINLY = {
    "invalid RFC3339 encoded datetime": "must be a time like 2026-11-23T09:30:00Z",
    "expected `datetime` with a timezone component": "must have a time zone, like the Z of 2026-11-23T09:30:00Z",
    "invalid UUID": "must be a UUID",
}
_BOUNDS = {"<=": "at most", ">=": "at least", "==": "exactly", "<": "less than", ">": "more than"}
_NO_CHOICE = re.compile(r"[Ii]nvalid enum value ")
_MOST_CHOICES = 20


def in_plain_words(text: str, kind: Any) -> str:
    """`text` is msgspec's, `kind` the type that was wanted; what has no plainer form stays, without its capital."""
    if found := _EXPECTED.fullmatch(text):
        kinds = found[1].split(" | ")
        wanted = " or ".join(_NOUNS.get(one, one) for one in kinds)
        if found[2] == "float" and "int" in kinds:
            return f"must be {wanted}, without a fraction"
        return f"must be {wanted}, not {_NOUNS.get(found[2], found[2])}"
    if found := _LENGTH.fullmatch(text):
        unit = "character" if found[1] == "str" else "item"
        return f"must have {_BOUNDS[found[2]]} {found[3]} {unit}{'' if found[3] == '1' else 's'}"
    if found := _SIZE.fullmatch(text):
        return f"must be {_BOUNDS[found[1]]} {found[2]}"
    if found := _MULTIPLE.fullmatch(text):
        return f"must be a multiple of {found[1]}"
    if _NO_CHOICE.match(text) and (choices := list(dict.fromkeys(_choices(kind)))[: _MOST_CHOICES + 1]):
        more = ", …" if len(choices) > _MOST_CHOICES else ""
        return f"must be one of {', '.join(choices[:_MOST_CHOICES])}{more}"
    text = text[:1].lower() + text[1:]
    return _PLAINLY.get(text, text)


def _choices(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Annotated:
        yield from _choices(kind.__origin__)
    elif get_origin(kind) in (Union, UnionType, list, tuple):
        for member in get_args(kind):
            yield from _choices(member)
    elif get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    elif isinstance(kind, enum.EnumType):
        yield from (str(one.value) for one in kind)  # type: ignore[var-annotated]
