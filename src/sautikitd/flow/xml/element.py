"""The words in which a dialect's table says what an element becomes. Only data: reading it is `translate`."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Dialect(StrEnum):
    """The two XML dialects people bring along (contract §5)."""

    TWILIO = "twilio"
    AFRICASTALKING = "africastalking"


Value = str | int | bool
"""What a field gets: a Python value, or the text of the attribute, which the verb reads itself."""

THIS_DOCUMENT = "#"
"""The URL that gave the reply: a reference to the same document (RFC 3986 §4.4)."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute. Without a `field` it is passed over, with `note` as the warning's reason.

    `default` is what the dialect takes where the attribute is absent; without one the verb's own default
    holds. `values` are words of the dialect and what they become; other values go on as written.
    `silent` values are passed over without a warning, `refused` ones make the reply invalid.
    """

    name: str
    field: str | None = None
    default: Value | None = None
    values: Mapping[str, Value] = {}
    silent: frozenset[str] = frozenset()
    refused: Mapping[str, str] = {}
    separator: str | None = None  # the value is a list
    then: Mapping[str, Mapping[str, Value]] = {}  # an action that follows where the value is `true`
    call_sid: bool = False  # a CallSid (`CA` + 32 hex), which becomes our call id
    dialled: bool = False  # a comma list of numbers, SIP addresses and clients to dial
    note: str = ""


class Role(StrEnum):
    """What a child element is to its parent."""

    PROMPT = "prompt"  # one of the sounds in the parent's `nested`
    BEFORE = "before"  # an action of its own, run before the parent's
    TARGET = "target"  # its text is a value of the parent's verb: `field`
    INSTEAD = "instead"  # it decides which verb the parent becomes
    PARAMETER = "parameter"  # a name and a value, gathered in the parent's `field`
    IGNORED = "ignored"  # passed over with a warning


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """`keeps` are fields of the parent's verb, and what they are in the verb that an INSTEAD makes of it."""

    element: "Element"
    role: Role
    field: str = ""
    keeps: Mapping[str, str] = {}


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """One element and the verb that it becomes; none where a child decides it, or the parent does.

    `text` is the field that the element's text goes to; `speech` says that SSML may stand in it. `fixed`
    fields are always set. `bare` replaces the defaults where there is neither attribute nor child.
    """

    name: str
    verb: str | None = None
    attributes: tuple[Attribute, ...] = ()
    text: str | None = None
    speech: bool = False
    fixed: Mapping[str, Value] = {}
    bare: Mapping[str, Value] | None = None
    children: tuple[Child, ...] = ()
    note: str = ""

    def attribute(self, name: str) -> Attribute | None:
        return next((one for one in self.attributes if one.name == name), None)

    def child(self, name: str) -> Child | None:
        return next((one for one in self.children if one.element.name == name), None)


class DialectTable(msgspec.Struct, frozen=True, kw_only=True):
    """`response` is the root element. `unsupported` names elements of the dialect that are refused, and why."""

    dialect: Dialect
    response: Element
    unsupported: Mapping[str, str] = {}


def passed_over(*names: str, note: str, silent: frozenset[str] = frozenset()) -> tuple[Attribute, ...]:
    """Attributes that have no meaning here, all for the same reason."""
    return tuple(Attribute(name=name, note=note, silent=silent) for name in names)
