"""XML as strangers send it: parsed into plain nodes without ever raising anything but `XmlUnreadable`.

A document type declaration is refused before anything in it is read, so there are no entities to expand,
no external files to fetch and no defaults to add (XML 1.0 §2.8, §4): what is left is markup and text,
which the limits below bound.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from xml.parsers import expat

import msgspec

MAX_DEPTH = 16
MAX_ELEMENTS = 2000
MAX_ATTRIBUTES = 64

ENCODINGS = frozenset({"utf-8", "utf-16", "us-ascii", "iso-8859-1"})
"""What expat decodes by itself (RFC 7303 §3); everything else is refused, with advice to send UTF-8."""

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._-]{1,40})", re.IGNORECASE)


class XmlUnreadable(Exception):
    """The text is not XML that can be used; the message says where and why."""


class Place(msgspec.Struct, frozen=True):
    """Where something stands: an XPath (`/Response/Gather[1]/@timeout`) and its line, from 1."""

    path: str
    line: int

    def attribute(self, name: str) -> "Place":
        return Place(f"{self.path}/@{name[:100]}", self.line)

    def content(self) -> "Place":
        return Place(f"{self.path}/text()", self.line)


class Node(msgspec.Struct):
    """One element. `inside` holds its children and its text, in document order."""

    name: str
    attributes: Mapping[str, str]
    place: Place
    inside: list["Node | str"]

    @property
    def children(self) -> Iterator["Node"]:
        return (part for part in self.inside if isinstance(part, Node))

    @property
    def text(self) -> str:
        """The text of the element itself, white space collapsed as in speech and in numbers."""
        return " ".join("".join(part for part in self.inside if isinstance(part, str)).split())


def parse_xml(body: bytes, content_type: str = "") -> Node:
    """The root element. A byte order mark decides the encoding, else the content type's `charset`, else the
    document's own declaration, else UTF-8 (RFC 7303 §3)."""
    builder = _Builder(_given_charset(body, content_type))
    body = body.lstrip(b" \t\r\n")  # many templates begin with an empty line, which XML does not allow
    try:
        builder.parser.Parse(body, True)
    except expat.ExpatError as error:
        line, column = builder.parser.ErrorLineNumber, builder.parser.ErrorColumnNumber + 1
        raise XmlUnreadable(
            f"not XML: {expat.ErrorString(error.code)} at line {line} column {column}"
        ) from error
    except (ValueError, LookupError) as error:  # from codecs that the declaration names
        raise XmlUnreadable(f"not XML that can be decoded: {error}") from error
    if builder.root is None:
        raise XmlUnreadable("not XML: there is no element")
    return builder.root


def _given_charset(body: bytes, content_type: str) -> str | None:
    found = _CHARSET.search(content_type)
    if found is None or body.startswith(_BYTE_ORDER_MARKS):
        return None
    charset = found.group(1).lower()
    if charset not in ENCODINGS:
        raise XmlUnreadable(f"the encoding {charset} is not supported; send UTF-8")
    return charset


class _Builder:
    """Takes expat's events and grows the tree."""

    def __init__(self, charset: str | None) -> None:
        self.root: Node | None = None
        self.parser = expat.ParserCreate(charset)
        self._open: list[tuple[Node, Counter[str]]] = []
        self._elements = 0
        parser = self.parser
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            raise XmlUnreadable(f"the encoding {encoding[:40]} is not supported; send UTF-8")

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        html = "this is an HTML page; " if name.lower() == "html" else ""
        line = self.parser.CurrentLineNumber
        raise XmlUnreadable(f"{html}a document type declaration is not allowed (line {line})")

    def _entity(self, *_: object) -> None:
        raise XmlUnreadable("entity declarations are not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        self._elements += 1
        if len(self._open) >= MAX_DEPTH:
            raise XmlUnreadable(f"nested more than {MAX_DEPTH} deep at line {line}")
        if self._elements > MAX_ELEMENTS:
            raise XmlUnreadable(f"more than {MAX_ELEMENTS} elements")
        if len(attributes) > MAX_ATTRIBUTES:
            raise XmlUnreadable(f"more than {MAX_ATTRIBUTES} attributes in one element at line {line}")
        node = Node(name, attributes, Place(self._path_of(name), line), [])
        if self._open:
            self._open[-1][0].inside.append(node)
        else:
            self.root = node
        self._open.append((node, Counter()))

    def _path_of(self, name: str) -> str:
        shown = name[:100]
        if not self._open:
            return f"/{shown}"
        parent, counts = self._open[-1]
        counts[shown] += 1
        return f"{parent.place.path}/{shown}[{counts[shown]}]"

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1][0].inside.append(text)
