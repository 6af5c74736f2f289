"""The tables of both dialects, and which of them a document is written in."""

from collections.abc import Iterator

from sautikitd.flow.xml.africastalking import AFRICAS_TALKING
from sautikitd.flow.xml.element import Dialect, DialectTable, Element
from sautikitd.flow.xml.tree import Node
from sautikitd.flow.xml.twilio import TWIML

TABLES: dict[Dialect, DialectTable] = {Dialect.TWILIO: TWIML, Dialect.AFRICASTALKING: AFRICAS_TALKING}

SSML = frozenset(
    {"speak", "break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"}
    | {"amazon:effect", "amazon:domain", "amazon:auto-breaths"}
)
"""Elements that may stand in `Say`; what the speech engine's subset lacks is read as its text."""

Mark = tuple[str, str, str]
"""(parent element, element, attribute or empty): where a name may stand."""


def dialect_of(root: Node) -> Dialect:
    """The dialect that the first element or attribute belongs to which only one of the two has at its place;
    TwiML where none tells them apart."""
    for mark in _marks_of_document(root):
        found = [dialect for dialect, marks in _MARKS.items() if mark in marks]
        if len(found) == 1:
            return found[0]
    return Dialect.TWILIO


def _marks_of_document(node: Node, parent: str = "") -> Iterator[Mark]:
    yield (parent, node.name, "")
    for name in node.attributes:
        yield (parent, node.name, name)
    for child in node.children:
        yield from _marks_of_document(child, node.name)


def _marks_of_table(element: Element, parent: str = "") -> Iterator[Mark]:
    yield (parent, element.name, "")
    for attribute in element.attributes:
        yield (parent, element.name, attribute.name)
    for child in element.children:
        yield from _marks_of_table(child.element, element.name)


_MARKS = {dialect: frozenset(_marks_of_table(table.response)) for dialect, table in TABLES.items()}
