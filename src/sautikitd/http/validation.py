"""Strict reading of bodies and queries into structs.

The quick way is one msgspec decode. Only when that fails is the input walked field by field, so that
the client hears of every problem at once, with the nearest known name for an unknown one.
Checks beyond types hang on the field: `Annotated[str, Meta(extra={"check": check})]`, where `check`
takes the value and returns what is wrong with it, or None.
"""

import difflib
import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET

from sautikitd.errors import FieldProblem, Invalid
from sautikitd.http.aliases import ALIASES
from sautikitd.http.errors import MalformedJson

T = TypeVar("T")
Check = Callable[[Any], str | None]

_UNSTORABLE = "it holds the character NUL or half of a surrogate pair"
# msgspec says ValidationError for what it expects to be wrong; a time past year 9999 is an OverflowError or ValueError.
_UNREADABLE = (msgspec.ValidationError, OverflowError, ValueError)
_AT_PATH = re.compile(r" - at `\$(.*)`$")


def read_body(kind: type[T], body: bytes) -> T:
    """Reads a JSON object into `kind` or raises `MalformedJson` (400) or `Invalid` (422, every problem)."""
    plain = _parse(body)
    return _read(kind, plain, strict=True, pointer="")


def read_query(kind: type[T], pairs: Mapping[str, str]) -> T:
    """Reads query parameters; text is turned into numbers, booleans and times where the field is one."""
    if any(unstorable(name + value) for name, value in pairs.items()):
        raise Invalid(fields=[FieldProblem("?", _UNSTORABLE)])
    read = _read(kind, dict(pairs), strict=False, pointer="?")
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]  # every kind of query is a struct
        text, value = pairs.get(field.encode_name), getattr(read, field.name)
        if text is not None and (value is None or (isinstance(value, datetime) and text.startswith("-"))):
            raise Invalid(fields=[FieldProblem(f"?{field.encode_name}", "not a value; leave it out instead")])
    return read


def _read(kind: type[T], plain: Any, *, strict: bool, pointer: str) -> T:
    try:
        value = msgspec.convert(plain, kind, strict=strict)
    except _UNREADABLE:
        plain = _as_known(kind, plain)
        problems = list(_problems(kind, plain, pointer, strict=strict))
        if problems:
            raise Invalid(fields=problems) from None
        try:
            value = msgspec.convert(plain, kind, strict=strict)
        except _UNREADABLE as exc:  # what the struct as a whole refuses
            raise Invalid(fields=[_problem(exc, pointer)]) from exc
    problems = list(_check_fields(value, pointer))
    if problems:
        raise Invalid(fields=problems)
    return value


def _is_storable_time(value: Any) -> bool:
    """The first and last day of the calendar, with an offset, are no times of UTC."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return True
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _parse(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        plain = _JSON.decode(text)
        if "\\u" in text and any(map(unstorable, _strings(plain))):
            raise ValueError(_UNSTORABLE)
        return plain
    except UnicodeDecodeError as exc:
        raise MalformedJson(reason="it is not UTF-8") from exc
    except RecursionError as exc:
        raise MalformedJson(reason="it is nested too deeply") from exc
    except ValueError as exc:
        raise MalformedJson(reason=str(exc).rstrip(".")) from exc


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


def unstorable(text: str) -> bool:
    """PostgreSQL keeps neither the character NUL nor half a surrogate pair."""
    return "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _as_known(kind: type, plain: Any) -> Any:
    """Aliases under their real names, and `5.0` where a whole number is wanted as `5`: JSON knows no difference."""
    if not isinstance(plain, dict):
        return plain
    aliases = ALIASES.get(kind.__name__, {})
    known = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    renamed = {
        aliases[name] if name in aliases and aliases[name] not in plain else name: value
        for name, value in plain.items()
    }
    return {
        name: int(value)
        if isinstance(value, float) and value.is_integer() and _is_whole(known.get(name))
        else value
        for name, value in renamed.items()
    }


def _is_whole(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _is_whole(kind.__origin__)
    if get_origin(kind) in (Union, types.UnionType):
        kinds = get_args(kind)
        return float not in kinds and any(map(_is_whole, kinds))
    return kind is int


def _problems(kind: Any, value: Any, pointer: str, *, strict: bool) -> Iterator[FieldProblem]:
    """Everything wrong with `value` as a `kind`, each at its own place."""
    struct = _struct_in(kind)
    element = _list_element(kind)
    if struct is not None and isinstance(value, dict):
        yield from _struct_problems(struct, value, pointer, strict=strict)
    elif element is not None and isinstance(value, list) and _struct_in(element) is not None:
        for index, item in enumerate(value):
            yield from _problems(element, item, f"{pointer}/{index}", strict=strict)
    else:
        try:
            converted = msgspec.convert(value, kind, strict=strict)
        except _UNREADABLE as exc:
            yield _problem(exc, pointer)
        else:
            yield from _run_check(check_of(kind), converted, pointer)


def _struct_problems(
    struct: type[msgspec.Struct], value: dict[str, Any], pointer: str, *, strict: bool
) -> Iterator[FieldProblem]:
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    separator = "" if pointer == "?" else "/"
    for name in value:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{nearest[0]}`?" if nearest else ""
            yield FieldProblem(f"{pointer}{separator}{_escape(name)}", f"unknown field{hint}")
    for name, field in known.items():
        if name in value:
            yield from _problems(
                field.type, value[name], f"{pointer}{separator}{_escape(name)}", strict=strict
            )
        elif field.required:
            yield FieldProblem(f"{pointer}{separator}{_escape(name)}", "required, but missing")


def _problem(exc: Exception, pointer: str) -> FieldProblem:
    text = str(exc)
    found = _AT_PATH.search(text)
    if found:
        text = text[: found.start()]
        inner = found.group(1).replace("[", "/").replace("]", "").replace(".", "/")
        pointer += inner.replace("/...", "")
    return FieldProblem(pointer or "", text[:1].lower() + text[1:])


def _check_fields(value: Any, pointer: str) -> Iterator[FieldProblem]:
    separator = "" if pointer == "?" else "/"
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_fields(item, f"{pointer}/{index}")
    if not isinstance(value, msgspec.Struct):
        return
    for name, encoded, check, nested in _checked_fields(type(value)):
        item = getattr(value, name)
        if item is None or item is UNSET:
            continue
        where = f"{pointer}{separator}{_escape(encoded)}"
        if not _is_storable_time(item):
            yield FieldProblem(where, "out of range")
        yield from _run_check(check, item, where)
        if nested:
            yield from _check_fields(item, where)
    problems = getattr(value, "problems", None)
    if problems is not None:
        for name, text in problems():
            yield FieldProblem(f"{pointer}{separator}{name}", text)


def _run_check(check: Check | None, value: Any, pointer: str) -> Iterator[FieldProblem]:
    if check is None or value is None or value is UNSET:
        return
    problem = check(value)
    if problem:
        yield FieldProblem(pointer, problem)


@cache
def _checked_fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Check | None, bool], ...]:
    found = []
    for field in msgspec.structs.fields(kind):
        check = check_of(field.type)
        element = _list_element(field.type)
        nested = _struct_in(field.type) is not None or (
            element is not None and _struct_in(element) is not None
        )
        if check or nested or _holds_time(field.type):
            found.append((field.name, field.encode_name, check, nested))
    return tuple(found)


def _holds_time(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _holds_time(kind.__origin__)
    return kind is datetime or any(map(_holds_time, get_args(kind)))


def check_of(kind: Any) -> Check | None:
    if get_origin(kind) is Annotated:
        for extra in kind.__metadata__:
            if isinstance(extra, msgspec.Meta) and extra.extra and "check" in extra.extra:
                check: Check = extra.extra["check"]
                return check
        return check_of(kind.__origin__)
    if get_origin(kind) in (Union, types.UnionType):
        return next((check for check in map(check_of, get_args(kind)) if check), None)
    return None


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    if get_origin(kind) is Annotated:
        return _struct_in(kind.__origin__)
    if get_origin(kind) in (Union, types.UnionType):
        structs = [found for found in map(_struct_in, get_args(kind)) if found]
        return structs[0] if len(structs) == 1 else None
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _list_element(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _list_element(kind.__origin__)
    if get_origin(kind) in (Union, types.UnionType):
        return next((element for element in map(_list_element, get_args(kind)) if element is not None), None)
    return get_args(kind)[0] if get_origin(kind) in (list, tuple) and get_args(kind) else None


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


_JSON = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
