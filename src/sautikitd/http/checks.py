"""What is asked of the fields of a request beyond their types, declared where the fields are.

Of one field: `Annotated[str, Meta(extra={"check": check})]`, where `check` takes the value and says what is wrong with
it, or None; or `extra={"policy": policy}`, which is also told the `Circumstances` and yields a `Fault` for each thing.
Of several fields: a method of the struct marked `@rule`. With a look into the database or at the clock: one marked
`@lookup`.

Each is asked of what could be read, whatever else is wrong (contract §12): a rule that looks at a field that could not
be read is passed over.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET

from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem, Invalid, Refusal
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal


class Fault(NamedTuple):
    """`place` is a JSON pointer, in a policy or rule from what it is asked of. `refusal` answers where nothing else is
    wrong."""

    place: str
    problem: str
    refusal: type[Refusal] = Invalid


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a check may have to know besides the value."""

    mode: Mode = "live"
    allow_private_urls: bool = False
    path: str = ""  # of the endpoint


Policy = Callable[[Any, Circumstances], Iterable[Fault]]
Rule = Callable[[Any, Circumstances], Iterable[Fault]]
Lookup = Callable[[Any, Connection, Principal, datetime], Awaitable[list[Fault]]]
M = TypeVar("M", bound=Callable[..., Any])


def rule(method: M) -> M:
    """Marks a method `(self, given: Circumstances)` that yields faults of several fields together."""
    method.__dict__["is_rule"] = True
    return method


def lookup(method: M) -> M:
    """Marks an async method `(self, connection, principal, now)` that returns faults only this moment can tell, by the
    database or the clock: a request that is repeated under its idempotency key is not asked again."""
    method.__dict__["is_lookup"] = True
    return method


class NotRead(Exception):
    """A rule looks at a field that could not be read."""


class Partly:
    """Stands for a struct some of whose fields could not be read: like it, but for those."""

    def __init__(self, kind: type[msgspec.Struct], values: dict[str, Any], unread: Sequence[str]) -> None:
        self._kind = kind
        self._values = values
        self.unread = unread  # given, but not to be read

    def __getattr__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        if name in self._kind.__struct_fields__:
            raise NotRead(name)
        return inspect.getattr_static(self._kind, name).__get__(self)


def present(value: Any, names: Iterable[str]) -> list[str]:
    """Which of the optional fields are given, whether or not they could be read."""
    unread = value.unread if isinstance(value, Partly) else ()
    return [name for name in names if name in unread or getattr(value, name) not in (None, UNSET)]


def refusal_of(faults: Sequence[Fault]) -> Refusal:
    """All of them in one, an entry for each place: with its own code where only one kind of thing is wrong, or where it
    goes before all others."""
    kinds = list(dict.fromkeys(fault.refusal for fault in faults))
    first = next((kind for kind in kinds if kind.told_first), kinds[0] if len(kinds) == 1 else Invalid)
    problems: dict[str, list[str]] = {}
    for fault in faults:
        problems.setdefault(fault.place, []).append(fault.problem)
    return first(fields=[FieldProblem(place, "; ".join(texts)) for place, texts in problems.items()])


def faults_of(value: msgspec.Struct, given: Circumstances, pointer: str = "") -> Iterator[Fault]:
    """What is wrong with a struct that has the right shape."""
    for name, encoded, look in _looks_of(type(value)):
        yield from look.faults(getattr(value, name), given, within(pointer, f"/{escape(encoded)}"))
    yield from rule_faults(type(value), value, given, pointer)


def rule_faults(
    kind: type[msgspec.Struct], value: Any, given: Circumstances, pointer: str
) -> Iterator[Fault]:
    """`value` is a struct of the kind, or a `Partly` of it."""
    for one in _marked(kind, "is_rule"):
        try:
            for fault in one(value, given):
                yield fault._replace(place=within(pointer, fault.place))
        except NotRead:
            continue


def has_lookups(kind: type) -> bool:
    return bool(_marked(kind, "is_lookup"))


async def looked_up(
    kind: type, value: Any, connection: Connection, principal: Principal, now: datetime
) -> list[Fault]:
    """What its lookups say is wrong with a body; `value` as for `rule_faults`."""
    found: list[Fault] = []
    for one in _marked(kind, "is_lookup"):
        try:
            found += await one(value, connection, principal, now)
        except NotRead:
            continue
    return found


def within(pointer: str, place: str) -> str:
    """A place below a pointer; below `?`, which is the query, the name of a parameter."""
    return pointer + place.removeprefix("/") if pointer == "?" else pointer + place


def escape(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True)
class Look:
    """What is asked of a value of some type. Policies of a list are apart, as in `str | list[str]`."""

    policies: tuple[Policy, ...] = ()
    of_list: tuple[Policy, ...] = ()
    element: "Look | None" = None
    deep: bool = False  # it may hold a struct or a time

    def __bool__(self) -> bool:
        return bool(self.policies or self.of_list or self.element or self.deep)

    def faults(self, value: Any, given: Circumstances, pointer: str) -> Iterator[Fault]:
        if value is None or value is UNSET:
            return
        if isinstance(value, datetime) and not _is_storable_time(value):
            yield Fault(pointer, "out of range")
            return
        yield from self.own_faults(value, given, pointer)
        if isinstance(value, msgspec.Struct):
            yield from faults_of(value, given, pointer)
        elif isinstance(value, list) and self.element:
            for index, item in enumerate(value):
                yield from self.element.faults(item, given, f"{pointer}/{index}")

    def own_faults(self, value: Any, given: Circumstances, pointer: str) -> Iterator[Fault]:
        """Of the value itself, not of what it holds."""
        for policy in self.of_list if isinstance(value, list) else self.policies:
            for fault in policy(value, given):
                yield fault._replace(place=pointer + fault.place)

    def __or__(self, other: "Look") -> "Look":
        return Look(
            self.policies + other.policies,
            self.of_list + other.of_list,
            self.element or other.element,
            self.deep or other.deep,
        )


def look_at(kind: Any) -> Look:
    """What the declaration of a field asks of it."""
    if get_origin(kind) is Annotated:
        inner, policies = kind.__origin__, tuple(_policies(kind.__metadata__))
        is_list, is_union = get_origin(inner) is list, get_origin(inner) in (Union, UnionType)
        own = Look(() if is_list else policies, policies if is_list or is_union else ())
        return own | look_at(inner)
    if get_origin(kind) in (Union, UnionType):
        found = Look()
        for member in get_args(kind):
            found |= look_at(member)
        return found
    if get_origin(kind) is list:
        return Look(element=look_at(get_args(kind)[0]) or None)
    return Look(deep=isinstance(kind, type) and issubclass(kind, (msgspec.Struct, datetime)))


def _policies(metadata: Iterable[Any]) -> Iterator[Policy]:
    for meta in metadata:
        extra = (meta.extra if isinstance(meta, msgspec.Meta) else None) or {}
        if "check" in extra:
            yield _as_policy(extra["check"])
        if "policy" in extra:
            yield extra["policy"]


def _as_policy(check: Callable[[Any], str | None]) -> Policy:
    def policy(value: Any, _: Circumstances) -> Iterator[Fault]:
        problem = check(value)
        if problem:
            yield Fault("", problem)

    return policy


@cache
def _looks_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Look], ...]:
    fields = [(one.name, one.encode_name, look_at(one.type)) for one in msgspec.structs.fields(kind)]
    return tuple(one for one in fields if one[2])


@cache
def _marked(kind: type, mark: str) -> tuple[Callable[..., Any], ...]:
    members = [member for parent in reversed(kind.__mro__) for member in vars(parent).values()]
    return tuple(member for member in members if getattr(member, "__dict__", {}).get(mark))


def _is_storable_time(value: datetime) -> bool:
    """The first and last day of the calendar, with an offset, are no times of UTC."""
    if value.tzinfo is None:
        return True
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True
