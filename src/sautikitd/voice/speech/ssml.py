"""SSML as the engines take it: what is to be read out put in words, and nothing but our subset left.

Everything else must not reach espeak-ng: its own reading of SSML would open files (`audio`).
"""

import re
from collections.abc import Callable
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import msgspec

from sautikitd.flow.port import PromptUnavailable
from sautikitd.flow.ssml import XML_LANG, SsmlInvalid, attributes_of, name_of, parse_ssml
from sautikitd.voice.speech.reading.interpret import interpreted

_LONGEST_BREAK_MS = 10_000
_LONG_BREAKS = frozenset({"strong", "x-strong"})
_VOLUME = re.compile(r' volume="[^"]*"(?=[^<]*>)')
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")

Read = Callable[[str, str], str]
"""A text and its language to the text with its figures in words."""


class Marked(msgspec.Struct, frozen=True):
    """The same speech twice: as SSML for an engine that knows it, as plain sentences for one that does not."""

    ssml: str
    text: str


def rendered_ssml(fragment: str, language: str, read: Read) -> Marked:
    """Raises `PromptUnavailable` when it is not well-formed."""
    try:
        root = parse_ssml(fragment)
    except SsmlInvalid as error:
        raise PromptUnavailable(str(error)) from error
    inside = _inside(root, attributes_of(root).get(XML_LANG, language), read)
    return Marked(f"<speak>{inside.ssml}</speak>", " ".join(inside.text.split()))


def without_volume(markup: str | None) -> str | None:
    """Rendered SSML less what it says of loudness; None where it says nothing of that."""
    if markup is None or not _VOLUME.search(markup):
        return None
    return _VOLUME.sub("", markup)


def _inside(element: ElementTree.Element, language: str, read: Read) -> Marked:
    first = read(element.text or "", language)
    ssml, text = [escape(first)], [first]
    for child in element:
        made = _rendered(child, language, read)
        tail = read(child.tail or "", language)
        ssml += [made.ssml, escape(tail)]
        text += [made.text, tail]
    return Marked("".join(ssml), "".join(text))


def _rendered(element: ElementTree.Element, language: str, read: Read) -> Marked:
    name, given = name_of(element), attributes_of(element)
    match name:
        case "break":
            return _break(given)
        case "say-as":
            words = " ".join(element.itertext())
            said = interpreted(words, given.get("interpret-as", ""), given.get("format", ""), language)
            return Marked(escape(said), said)
        case "sub" if "alias" in given:
            said = read(given["alias"], language)
            return Marked(escape(said), said)
    inside = _inside(element, given.get(XML_LANG, language), read)
    match name:
        case "lang" if XML_LANG in given:
            return Marked(f"<voice xml:lang={quoteattr(given[XML_LANG])}>{inside.ssml}</voice>", inside.text)
        case "p" | "s":
            return Marked(f"<{name}>{inside.ssml}</{name}>", f"{inside.text.rstrip()} ")
        case "emphasis" | "prosody":
            attributes = "".join(f" {key}={quoteattr(_loudness(value))}" for key, value in given.items())
            return Marked(f"<{name}{attributes}>{inside.ssml}</{name}>", inside.text)
    return inside


def _loudness(value: str) -> str:
    """SSML's decibels as the percentage that espeak-ng understands; any other value as it is."""
    return f"{round(100 * 10 ** (float(value[:-2]) / 20))}%" if value.endswith("dB") else value


def _break(given: dict[str, str]) -> Marked:
    found = _TIME.fullmatch(given.get("time", ""))
    if found is not None:
        milliseconds = float(found[1]) * (1000 if found[2] == "s" else 1)
        bounded = min(int(milliseconds), _LONGEST_BREAK_MS)
        return Marked(f'<break time="{bounded}ms"/>', "… " if bounded >= 500 else ", ")
    strength = given.get("strength", "medium")
    return Marked(f'<break strength="{strength}"/>', "… " if strength in _LONG_BREAKS else ", ")
