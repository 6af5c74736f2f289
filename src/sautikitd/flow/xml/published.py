"""The tables of the XML dialects as a page of the documentation (`docs/voice-xml.md`).

`python -m sautikitd.flow.xml.published docs/voice-xml.md` writes it; a test holds the page to the tables.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from sautikitd.flow.xml.element import THIS_DOCUMENT, Attribute, Child, Dialect, DialectTable, Element, Role
from sautikitd.flow.xml.tables import SSML, TABLES

TITLES = {Dialect.TWILIO: "TwiML", Dialect.AFRICASTALKING: "Africa's Talking"}

INTRODUCTION = """\
# XML replies

A voice callback may answer with XML instead of JSON: `<Response>` as in TwiML, or as in Africa's Talking's
voice XML. It becomes the same verbs as JSON, by the tables below; nothing is passed through.

**Which dialect.** With `callback_format` `twilio` or `africastalking` it is that one. With `sautikit` the
first element or attribute decides that only one of the two dialects has at its place (`<Gather>`: TwiML;
`<GetDigits>`: Africa's Talking); a document that both could have written is read as TwiML.

**What is passed over.** Attributes that are not in the tables, unknown voices and unknown languages are passed
over, each with a `flow.warning` event. An unknown element, or a missing or impossible value, makes the reply
invalid (`flow.invalid`). Both name the place as an XPath, `/Response/Gather[1]/@timeout`, and the line.

**Try it without a call.** `POST /v1/voice/validate` takes `{{"xml": "<Response>…", "dialect": "twilio"}}` (or `africastalking`;
without it as above) and answers with the verbs that it becomes, what is passed over, and every mistake:

    jq -Rs '{{xml: ., dialect: "twilio"}}' reply.xml | curl -s http://127.0.0.1:8080/v1/voice/validate \\
      -H "Authorization: Bearer $SAUTIKIT_API_KEY" -H "Content-Type: application/json" --data-binary @-

**Limits.** UTF-8 (UTF-16, US-ASCII and ISO-8859-1 are read too), 1 MiB, 50 actions, 2,000 elements, 64 attributes
in one element, 16 levels. A document type declaration is refused, so there are no entities but the five of XML.

**Defaults** are the dialect's own where they differ from those of our verbs. Where none is shown the verb's own
holds; `this document` is the URL that gave the reply.

**SSML** in `<Say>`: {ssml}. What the speech engine lacks of it is read as its text.
"""


def voice_xml_page() -> str:
    """The page in Markdown."""
    ssml = ", ".join(f"`{name}`" for name in sorted(SSML))
    parts = [INTRODUCTION.format(ssml=ssml)]
    for table in TABLES.values():
        parts += [f"## {TITLES[table.dialect]}\n", *_elements(table)]
    return "\n".join(parts)


def _elements(table: DialectTable) -> Iterator[str]:
    for child in table.response.children:
        yield from _section(child.element)
    if table.unsupported:
        yield "### Not supported\n"
        rows = [f"| `<{name}>` | {why} |" for name, why in sorted(table.unsupported.items())]
        yield "\n".join(
            ["These elements are refused by name.\n", "| element | why |", "|---|---|", *rows, ""]
        )


def _section(element: Element) -> Iterator[str]:
    yield f"### `<{element.name}>`{_becomes(element)}\n"
    if element.note:
        yield f"{element.note[0].upper()}{element.note[1:]}.\n"
    yield from _rows(element)
    for child in element.children:
        if child.role not in (Role.PROMPT, Role.BEFORE):
            yield f"#### `<{child.element.name}>` in `<{element.name}>`{_meaning(child)}\n"
            if child.element.note:
                yield f"{child.element.note[0].upper()}{child.element.note[1:]}.\n"
            yield from _rows(child.element, inner=True)
            if child.keeps:
                kept = ", ".join(
                    f"`{old}`" + ("" if old == new else f" (as `{new}`)") for old, new in child.keeps.items()
                )
                yield f"Of `<{element.name}>` it keeps {kept}.\n"
    inside = [f"`<{c.element.name}>`" for c in element.children if c.role is Role.PROMPT]
    if inside:
        yield f"Inside it: {', '.join(inside)} become `nested`.\n"
    before = [f"`<{c.element.name}>`" for c in element.children if c.role is Role.BEFORE]
    if before:
        yield f"Inside it: {', '.join(before)} become actions that run before it.\n"


def _becomes(element: Element) -> str:
    return f" becomes `{element.verb}`" if element.verb else ""


def _meaning(child: Child) -> str:
    match child.role:
        case Role.TARGET:
            return f": its text is `{child.field}`"
        case Role.INSTEAD:
            return f" becomes `{child.element.verb}`"
        case Role.PARAMETER:
            return f": a name and a value of `{child.field}`"
        case _:
            return " is passed over"


def _rows(element: Element, *, inner: bool = False) -> Iterator[str]:
    """`inner`: what stands in the element has no section of its own."""
    rows: list[str] = []
    if element.text is not None:
        rows.append(f"| text | `{element.text}` | | |")
    rows += [f"| always | `{field}` | `{_shown(value)}` | |" for field, value in element.fixed.items()]
    for told, alike in groupby(element.attributes, _row):
        names = ", ".join(f"`{attribute.name}`" for attribute in alike)
        rows.append(f"| {names} {told}")
    for child in element.children:
        if child.role is Role.TARGET and child.element.name == "Identity":
            rows.append("| `<Identity>` | its text, instead of the element's own | | |")
        elif inner and child.role is Role.PARAMETER:
            rows.append(f"| `<{child.element.name}>` | a name and a value of `{child.field}` | | |")
        elif inner and child.role is Role.IGNORED:
            rows.append(f"| `<{child.element.name}>` | passed over | | {child.element.note} |")
    if rows:
        yield "\n".join(["| attribute | field | default | notes |", "|---|---|---|---|", *rows, ""])


def _row(attribute: Attribute) -> str:
    """All but the name, so that attributes of the same fate share a row."""
    default = "" if attribute.default is None else f"`{_shown(attribute.default)}`"
    if attribute.default == THIS_DOCUMENT:
        default = "this document"
    field = (
        f"`{attribute.field}`" if attribute.field else "its own action" if attribute.then else "passed over"
    )
    if attribute.dialled:
        field = "whom to dial"
    return f"| {field} | {default} | {'; '.join(_notes(attribute))} |"


def _notes(attribute: Attribute) -> Iterator[str]:
    if attribute.note:
        yield attribute.note
    for word, value in attribute.values.items():
        if _shown(value) != word:
            yield f"`{word}` → `{_shown(value)}`"
    for word, why in attribute.refused.items():
        yield f"`{word}` is refused: {why}"
    if attribute.separator is not None:
        yield "a list, separated by spaces"


def _shown(value: object) -> str:
    if value == "":
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(voice_xml_page(), encoding="utf-8")
