"""Strict reading of bodies and queries into structs.

The quick way is one msgspec decode. Only when that fails is the input walked field by field, so that the client hears
of every problem at once: those of shape, with the nearest known name for an unknown field, and beside them what the
checks of `http.checks` say of the fields that could be read.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec

from sautikitd.http.aliases import ALIASES
from sautikitd.http.checks import (
    Circumstances,
    Fault,
    Partly,
    escape,
    faults_of,
    look_at,
    rule_faults,
    within,
)
from sautikitd.http.json_body import UNSTORABLE, holds_unstorable, parse_json, unstorable
from sautikitd.wording import in_plain_words

T = TypeVar("T")

# msgspec says ValidationError for what it expects to be wrong; a time past year 9999 is an OverflowError or ValueError.
_UNREADABLE = (msgspec.ValidationError, OverflowError, ValueError)
_AT_PATH = re.compile(r" - at `\$(.*)`$")
_UNREAD: Any = object()
_MOST_HINTS = 20  # of one object: a search for the nearest name takes a while


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What was sent, and everything that is wrong with it. `value` is a `Partly` where not all could be read."""

    value: T
    faults: list[Fault]

    @property
    def is_object(self) -> bool:
        """Whether there is anything to ask about."""
        return self.value is not _UNREAD


def read_body(kind: type[T], body: bytes, given: Circumstances) -> Reading[T]:
    """Reads a JSON object. Raises `MalformedJson` (400) for what is no JSON at all."""
    plain = parse_json(body)
    odd = b"\\u" in body and holds_unstorable(plain)
    return _Reader(given, strict=True, odd=odd).read(kind, plain, "")


def read_query(kind: type[T], pairs: Sequence[tuple[str, str]], given: Circumstances) -> Reading[T]:
    """Reads query parameters; text is turned into numbers, booleans and times where the field is one."""
    kept = {name: text for name, text in pairs if not unstorable(name + text)}
    faults = []
    if len(kept) < len(pairs):
        strange = [name for name, text in pairs if unstorable(name + text)]
        faults += [Fault(f"?{_shown(name)}", "holds the character NUL, or is not UTF-8") for name in strange]
        times = Counter(name for name, _ in pairs if name in kept)
        faults += [Fault(f"?{name}", "given twice") for name, count in times.items() if count > 1]
    read = _Reader(given, strict=False).read(kind, kept, "?")
    faults += read.faults
    told = {fault.place for fault in faults}
    faults += [fault for fault in _of_nothing(kind, kept, read.value) if fault.place not in told]
    return Reading(read.value, faults)


def _of_nothing(kind: type, texts: Mapping[str, str], value: Any) -> Iterator[Fault]:
    """A query has no null, and a time with a minus is a number of seconds before 1970 to msgspec."""
    unread = value.unread if isinstance(value, Partly) else ()
    for field in msgspec.structs.fields(kind):
        text = texts.get(field.encode_name)
        if text is None or field.name in unread:
            continue
        read = getattr(value, field.name)
        if read is None or (isinstance(read, datetime) and text.startswith("-")):
            yield Fault(f"?{field.encode_name}", "not a value; leave it out instead")


class _Unkeepable(ValueError):
    """A value of the right shape that the database cannot keep."""


@dataclass(frozen=True)
class _Reader:
    """`odd`: somewhere in what is read there is text that the database cannot keep."""

    given: Circumstances
    strict: bool
    odd: bool = False

    def _convert(self, kind: Any, plain: Any) -> Any:
        """What is declared as any JSON is judged by the checks of its field."""
        if self.odd and not _is_any_json(kind) and holds_unstorable(plain):
            raise _Unkeepable(UNSTORABLE)
        return msgspec.convert(plain, kind, strict=self.strict)

    def read(self, kind: type[T], plain: Any, pointer: str) -> Reading[T]:
        try:
            value: Any = self._convert(kind, plain)
        except _UNREADABLE as exc:
            if isinstance(plain, dict) and issubclass(kind, msgspec.Struct):
                return Reading(*self._struct(kind, plain, pointer))
            return Reading(_UNREAD, [_fault(exc, kind, pointer)])
        return Reading(value, list(faults_of(value, self.given, pointer)))

    def _value(self, kind: Any, plain: Any, pointer: str) -> tuple[Any, list[Fault]]:
        """The value, `_UNREAD` where it is none, and everything that is wrong with it, each at its own place."""
        try:
            value = self._convert(kind, plain)
        except _UNREADABLE as exc:
            return self._part_by_part(kind, plain, pointer, exc)
        return value, list(look_at(kind).faults(value, self.given, pointer))

    def _part_by_part(self, kind: Any, plain: Any, pointer: str, why: Exception) -> tuple[Any, list[Fault]]:
        if isinstance(plain, dict) and (struct := _struct_for(kind, plain)):
            value, faults = self._struct(struct, plain, pointer)
            return (_UNREAD if isinstance(value, Partly) else value), faults
        if isinstance(plain, dict) and (tags := _tags_of(kind)):
            name, meant = tags
            problem = f"must be one of {', '.join(meant)}" if name in plain else "required, but missing"
            return _UNREAD, [Fault(within(pointer, f"/{name}"), problem)]
        if isinstance(plain, list) and (lists := _list_in(kind)):
            return self._list(kind, lists, plain, pointer)
        if isinstance(plain, float) and plain.is_integer() and _is_whole(kind):
            return self._value(kind, int(plain), pointer)  # JSON knows no difference between 5.0 and 5
        return _UNREAD, [_fault(why, kind, pointer)]

    def _struct(
        self, kind: type[msgspec.Struct], plain: dict[str, Any], pointer: str
    ) -> tuple[Any, list[Fault]]:
        plain = _by_known_names(kind, plain)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        faults = list(_unknown(plain, [*fields, kind.__struct_config__.tag_field], pointer))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            where = within(pointer, f"/{escape(name)}")
            if name in plain:
                value, found = self._value(field.type, plain[name], where)
                faults += found
                if value is not _UNREAD:
                    values[field.name] = value
            elif field.required:
                faults.append(Fault(where, "required, but missing"))
            else:
                values[field.name] = _default(field)
        unread = [one.name for name, one in fields.items() if name in plain and one.name not in values]
        whole = kind(**values) if len(values) == len(fields) else Partly(kind, values, unread)
        return whole, faults + list(rule_faults(kind, whole, self.given, pointer))

    def _list(self, kind: Any, lists: Any, plain: list[Any], pointer: str) -> tuple[Any, list[Fault]]:
        element = get_args(_bare(lists))[0]
        allowed = plain[: _longest(lists)]  # those beyond are too many, whatever they are
        items = [self._value(element, item, f"{pointer}/{index}") for index, item in enumerate(allowed)]
        faults = [fault for _, found in items for fault in found]
        try:
            msgspec.convert(plain, _of_anything(lists))  # how many there may be
        except msgspec.ValidationError as exc:
            faults.append(_fault(exc, lists, pointer))
        if faults:
            return _UNREAD, faults
        value = [item for item, _ in items]
        return value, list(look_at(kind).own_faults(value, self.given, pointer))


def _unknown(plain: Mapping[str, Any], known: list[str | None], pointer: str) -> Iterator[Fault]:
    names = [name for name in known if name]
    unknown = "unknown parameter" if pointer == "?" else "unknown field"
    for place, name in enumerate(name for name in plain if name not in names):
        nearest = _nearest(name, names) if place < _MOST_HINTS else None
        hint = f"; did you mean `{nearest}`?" if nearest else "" if names else "; none is taken here"
        yield Fault(within(pointer, f"/{escape(_shown(name))}"), unknown + hint)


def _shown(name: str) -> str:
    """A name that anybody can be told: halves of surrogate pairs are written as in Python."""
    return name.encode("utf-8", "backslashreplace").decode()


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """The same but for case and signs, as in `From` and `timeoutSeconds`, or similar."""
    plainly = {"".join(filter(str.isalnum, known)).lower(): known for known in names}
    same = plainly.get("".join(filter(str.isalnum, name)).lower())
    return same or next(iter(difflib.get_close_matches(name, names, n=1)), None)


def _by_known_names(kind: type, plain: dict[str, Any]) -> dict[str, Any]:
    """Aliases under their real names."""
    aliases = ALIASES.get(kind.__name__, {})
    return {
        aliases[name] if name in aliases and aliases[name] not in plain else name: value
        for name, value in plain.items()
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def _fault(exc: Exception, kind: Any, pointer: str) -> Fault:
    text = str(exc)
    found = _AT_PATH.search(text)
    if found:
        text = text[: found.start()]
        inner = found.group(1).replace("[", "/").replace("]", "").replace(".", "/")
        pointer += inner.replace("/...", "")
    return Fault(pointer, in_plain_words(text, kind))


def _bare(kind: Any) -> Any:
    return _bare(kind.__origin__) if get_origin(kind) is Annotated else kind


def _members(kind: Any) -> list[Any]:
    """The members of a union, each with what it is annotated with; the type itself where it is none."""
    bare = _bare(kind)
    if get_origin(bare) in (Union, UnionType):
        return [one for member in get_args(bare) for one in _members(member)]
    return [kind]


def _is_whole(kind: Any) -> bool:
    kinds = list(map(_bare, _members(kind)))
    return int in kinds and float not in kinds


def _is_any_json(kind: Any) -> bool:
    return any(one is Any or get_origin(one) is dict for one in map(_bare, _members(kind)))


def _structs(kind: Any) -> list[type[msgspec.Struct]]:
    return [
        one for one in map(_bare, _members(kind)) if isinstance(one, type) and issubclass(one, msgspec.Struct)
    ]


def _tags_of(kind: Any) -> tuple[str, list[str]] | None:
    """Of several structs the name of the field that tells them apart, and what it may say."""
    configs = [one.__struct_config__ for one in _structs(kind)]
    names = {config.tag_field for config in configs}
    name = names.pop() if len(names) == 1 else None
    return (name, [str(config.tag) for config in configs]) if name else None


def _struct_for(kind: Any, plain: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """The struct an object is meant to be: the only one there is, or the one its tag names."""
    structs = _structs(kind)
    if len(structs) == 1:
        return structs[0]
    configs = [(one, one.__struct_config__) for one in structs]
    return next((one for one, it in configs if it.tag_field and plain.get(it.tag_field) == it.tag), None)


def _list_in(kind: Any) -> Any:
    return next((one for one in _members(kind) if get_origin(_bare(one)) is list), None)


def _longest(lists: Any) -> int | None:
    metas = lists.__metadata__ if get_origin(lists) is Annotated else ()
    return next((one.max_length for one in metas if isinstance(one, msgspec.Meta) and one.max_length), None)


def _of_anything(lists: Any) -> Any:
    """A list of the same lengths, of whatever."""
    if get_origin(lists) is not Annotated:
        return list[Any]
    return Annotated[(list[Any], *lists.__metadata__)]
