"""The SSML subset of the `say` verb: what is not in it is dropped, and its text kept.

Nothing else may reach the synthesiser: its own reading of SSML would open files (`audio`).
"""

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from sautikitd.flow.port import PromptUnavailable

_ATTRIBUTES: dict[str, frozenset[str]] = {
    "break": frozenset({"time", "strength"}),
    "emphasis": frozenset({"level"}),
    "say-as": frozenset({"interpret-as", "format", "detail"}),
    "prosody": frozenset({"rate"}),
    "sub": frozenset({"alias"}),
    "p": frozenset(),
    "s": frozenset(),
}
_LONGEST_BREAK_MS = 10_000
_BREAK = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s)")


def cleaned_ssml(fragment: str) -> str:
    """A `speak` document with only what the subset knows. Raises `PromptUnavailable` when it is not well-formed."""
    if "<!" in fragment or "<?" in fragment:
        raise PromptUnavailable("the SSML may not hold declarations, comments or processing instructions")
    try:
        root = ElementTree.fromstring(f"<speak>{fragment}</speak>")
    except ElementTree.ParseError as error:
        raise PromptUnavailable(f"the SSML is not well-formed: {error}") from error
    return f"<speak>{_inside(root)}</speak>"


def _inside(element: ElementTree.Element) -> str:
    parts = [escape(element.text or "")]
    for child in element:
        parts += [_rendered(child), escape(child.tail or "")]
    return "".join(parts)


def _rendered(element: ElementTree.Element) -> str:
    name = element.tag.rpartition("}")[2]
    allowed = _ATTRIBUTES.get(name)
    if allowed is None:
        return _inside(element)
    kept = {key: value for key, value in element.attrib.items() if key in allowed}
    if name == "break" and "time" in kept:
        kept["time"] = _bounded_break(kept["time"])
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in kept.items())
    return f"<{name}{attributes}>{_inside(element)}</{name}>"


def _bounded_break(time: str) -> str:
    found = _BREAK.fullmatch(time.strip())
    if found is None:
        return "0ms"
    milliseconds = float(found[1]) * (1000 if found[2] == "s" else 1)
    return f"{min(int(milliseconds), _LONGEST_BREAK_MS)}ms"
