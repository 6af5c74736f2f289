"""Values that mean something else in a dialect than in our verbs."""

import re
from enum import StrEnum
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from sautikitd.flow.xml.tree import Node

CALL_SID_PREFIX = "CA"
_CALL_SID = re.compile(r"CA([0-9a-fA-F]{32})")
_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]*")


class TargetKind(StrEnum):
    """Fields of `dial`, exactly one of which it has, besides `numbers`."""

    NUMBER = "number"
    SIP = "sip"
    CLIENT = "client"


TARGET_FIELDS = frozenset(kind.value for kind in TargetKind)

Target = tuple[TargetKind, str]


def call_sid_of(call_id: UUID) -> str:
    """How Twilio's vocabulary writes a call id: `CA` + its 32 hex digits, so that it can be turned back."""
    return CALL_SID_PREFIX + call_id.hex


def call_id_of(sid: str) -> str:
    """The call id of a CallSid; any other text unchanged."""
    found = _CALL_SID.fullmatch(sid)
    return str(UUID(found.group(1))) if found is not None else sid


def dialled(text: str) -> list[Target]:
    """Reads a comma list of phone numbers, SIP addresses (`sip:` or with `@`) and names of clients."""
    return [_target(item) for item in (part.strip() for part in text.split(",")) if item]


def _target(item: str) -> Target:
    if "@" in item or item.lower().startswith(("sip:", "sips:")):
        address = item if item.lower().startswith(("sip:", "sips:")) else f"sip:{item}"
        return TargetKind.SIP, address
    if _NUMBER.fullmatch(item):
        return TargetKind.NUMBER, item
    return TargetKind.CLIENT, item.removeprefix("client:")


def dial_field(targets: list[Target]) -> tuple[str, str | list[str]]:
    """The one field of `dial` that holds these targets, and its value."""
    if len(targets) == 1:
        ((kind, value),) = targets
        return kind.value, value
    return "numbers", [_among_numbers(kind, value) for kind, value in targets]


def _among_numbers(kind: TargetKind, value: str) -> str:
    """What is no telephone number is told by its scheme there."""
    if kind is TargetKind.CLIENT:
        return f"client:{value.removeprefix('client:')}"
    if kind is TargetKind.SIP and not value.lower().startswith(("sip:", "sips:")):
        return f"sip:{value}"
    return value


def ssml_of(node: Node) -> str:
    """The inside of a `Say` that holds SSML elements, as one `speak` document."""
    return f"<speak>{_inside(node)}</speak>"


def _inside(node: Node) -> str:
    return "".join(escape(part) if isinstance(part, str) else _element(part) for part in node.inside)


def _element(node: Node) -> str:
    """A vendor's own elements (`amazon:effect`) and attributes are left out, as nothing declares their prefix."""
    if node.name == "speak" or ":" in node.name:
        return _inside(node)
    attributes = "".join(
        f" {name}={quoteattr(value)}"
        for name, value in node.attributes.items()
        if name != "xmlns" and ":" not in name
    )
    return f"<{node.name}{attributes}>{_inside(node)}</{node.name}>"


def is_namespace(attribute: str) -> bool:
    """Declarations that XML tools add by themselves; nobody needs a warning about them."""
    return attribute == "xmlns" or attribute.startswith(("xmlns:", "xml:", "xsi:"))
