"""JSON as strangers send it: parsed without ever raising anything but `JsonUnreadable`."""

import json
from collections import Counter
from collections.abc import Iterator

MAX_DEPTH = 16


class JsonUnreadable(Exception):
    """The text is not JSON that can be used; the message says where and why."""


class Repeating(dict[str, object]):
    """An object in which some names occur more than once; the last value counts."""

    repeated: tuple[str, ...] = ()


def parse_json(body: bytes) -> object:
    """UTF-8 (a byte order mark is passed over). NaN and Infinity, which are not JSON, are refused."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonUnreadable(f"not UTF-8 at byte {error.start}") from error
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_number)
    except json.JSONDecodeError as error:
        raise JsonUnreadable(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise JsonUnreadable("not usable JSON: nested too deeply") from error
    except ValueError as error:  # integers of thousands of digits, and our own refusal below
        raise JsonUnreadable(f"not usable JSON: {error}") from error


def structural_faults(value: object, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(JSON pointer, reason) of what no part of a request may hold, wherever it stands: repeated names,
    nesting beyond 16, text that cannot be written as UTF-8 again, NUL characters."""
    if depth > MAX_DEPTH:
        yield pointer, f"nested more than {MAX_DEPTH} deep"
        return
    if isinstance(value, str):
        yield from _text_faults(value, pointer)
    elif isinstance(value, dict):
        if isinstance(value, Repeating):
            yield from ((pointer_to(pointer, name), "the name occurs twice") for name in value.repeated)
        for name, member in value.items():
            yield from _text_faults(str(name), pointer)
            yield from structural_faults(member, pointer_to(pointer, name), depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from structural_faults(member, f"{pointer}/{index}", depth + 1)


def pointer_to(pointer: str, name: object) -> str:
    """The pointer to a member (RFC 6901 §3), a long or unprintable name made fit to be shown."""
    shown = str(name).encode("utf-8", "replace").decode()[:100]
    return f"{pointer}/{shown.replace('~', '~0').replace('/', '~1')}"


def _text_faults(text: str, pointer: str) -> Iterator[tuple[str, str]]:
    if "\x00" in text:
        yield pointer, "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        yield pointer, "holds half of a surrogate pair"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    counts = Counter(name for name, _ in pairs)
    repeating = Repeating(plain)
    repeating.repeated = tuple(name for name, count in counts.items() if count > 1)
    return repeating


def _number(text: str) -> int | float:
    """`2.0` is an integer too (JSON Schema 2020-12 §6.1.1), and what some languages write for 2."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")
