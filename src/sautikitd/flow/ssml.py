"""The subset of SSML 1.1 that `say` understands: reading it, and telling what of it is passed over.

W3C Speech Synthesis Markup Language 1.1. Elements that are not in the subset leave their text; attributes
and values that are not leave the element as if it had none.
"""

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
DEEPEST = 20
"""Elements within elements."""

SAY_AS = frozenset(
    {
        *("cardinal", "number", "ordinal", "digits", "characters", "spell-out", "verbatim"),
        *("telephone", "date", "time", "currency"),
    }
)

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_ANY = re.compile(r"[\s\S]{0,4000}")
_PROSODY = {
    "rate": re.compile(r"x-slow|slow|medium|fast|x-fast|default|[1-9]\d{1,2}%"),
    "volume": re.compile(r"silent|x-soft|soft|medium|loud|x-loud|default|[+-]\d{1,2}(?:\.\d)?dB"),
    "pitch": re.compile(r"x-low|low|medium|high|x-high|default|[+-]\d{1,2}%"),
}
SUBSET: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "speak": {XML_LANG: _LANGUAGE_TAG, "version": _ANY},
    "break": {
        "time": re.compile(r"\d{1,6}(?:\.\d{1,3})?(?:ms|s)"),
        "strength": re.compile(r"none|x-weak|weak|medium|strong|x-strong"),
    },
    "emphasis": {"level": re.compile(r"strong|moderate|none|reduced")},
    "say-as": {
        "interpret-as": re.compile("|".join(sorted(SAY_AS))),
        "format": re.compile(r"[A-Za-z0-9:]{1,16}"),
        "detail": _ANY,
    },
    "prosody": _PROSODY,
    "sub": {"alias": _ANY},
    "p": {XML_LANG: _LANGUAGE_TAG},
    "s": {XML_LANG: _LANGUAGE_TAG},
    "lang": {XML_LANG: _LANGUAGE_TAG},
}
"""Element to attribute to what its value may be."""


class SsmlInvalid(Exception):
    """The text is no well-formed fragment; the message says why."""


def is_ssml(text: str) -> bool:
    """Whether a text asks to be read as SSML."""
    return text.lstrip().startswith("<speak")


def parse_ssml(fragment: str) -> ElementTree.Element:
    """The fragment as a `speak` element; one is put around it where there is none. Raises `SsmlInvalid`."""
    if "<!" in fragment or "<?" in fragment:
        raise SsmlInvalid("the SSML may not hold declarations, comments or processing instructions")
    whole = fragment.strip() if is_ssml(fragment) else f"<speak>{fragment}</speak>"
    try:
        root = ElementTree.fromstring(whole)
    except ElementTree.ParseError as error:
        raise SsmlInvalid(f"the SSML is not well-formed: {error}") from error
    if _deeper_than(root, DEEPEST):
        raise SsmlInvalid(f"the SSML has elements nested more than {DEEPEST} deep")
    return root


def name_of(element: ElementTree.Element) -> str:
    """Without its namespace."""
    return element.tag.rpartition("}")[2]


def attributes_of(element: ElementTree.Element) -> dict[str, str]:
    """Those of the subset, with values that are in it."""
    known = SUBSET.get(name_of(element), {})
    return {
        name: value.strip()
        for name, value in element.attrib.items()
        if name in known and known[name].fullmatch(value.strip())
    }


def passed_over(root: ElementTree.Element) -> Iterator[str]:
    """A sentence for each thing that is not in the subset, once, at most ten."""
    told: set[str] = set()
    for element in root.iter():
        for remark in _remarks(element):
            if remark not in told and len(told) < 10:
                told.add(remark)
                yield remark


def _remarks(element: ElementTree.Element) -> Iterator[str]:
    name = name_of(element)
    if name == "phoneme":
        yield "SSML <phoneme> is not supported: its text is read by the rules of the language; try <sub alias>"
    elif name not in SUBSET:
        yield f"SSML <{name[:40]}> is not supported: only the text in it is spoken"
    else:
        kept = attributes_of(element)
        for attribute in element.attrib:
            if attribute not in kept:
                shown = attribute.rpartition("}")[2][:40]
                yield f"SSML <{name} {shown}={element.attrib[attribute][:40]!r}> is not supported; passed over"


def _deeper_than(element: ElementTree.Element, levels: int) -> bool:
    """Walks level by level: what came is not trusted to fit the stack."""
    row = [element]
    for _ in range(levels + 1):
        row = [child for parent in row for child in parent]
        if not row:
            return False
    return True
