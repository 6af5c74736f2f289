"""A page about every error code, where the `docs_url` of a refusal leads (contract §1). Made from the OpenAPI document,
so that it says what the code does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

PATH = "/developers/errors"
HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_LISTED = 12  # operations; of the codes that most of them share, the list would say nothing
_LATER = {408, 429, 502, 503}
_UNCERTAIN = {500}
_MARKS = re.compile(r"`([^`]+)`|\{(\w+)\}")


@dataclass(frozen=True)
class _Operation:
    method: str
    path: str
    summary: str


@dataclass(frozen=True)
class _Code:
    name: str
    status: int
    messages: Sequence[str]
    told_by: str
    operations: Sequence[_Operation]

    @property
    def few(self) -> bool:
        return len(self.operations) <= _LISTED

    @property
    def again(self) -> str:
        """Whether to send the same once more."""
        if self.status in _LATER:
            return (
                "Yes, a little later: after the seconds of `Retry-After` where the answer has it, and with the same "
                "`Idempotency-Key`."
            )
        if self.status in _UNCERTAIN:
            return "Yes, with the same `Idempotency-Key`, so that nothing can happen twice."
        if self.name == "idempotency.in_progress":
            return "Yes, after the seconds of `Retry-After`: the first one is still running."
        return "No: the same request gets the same answer until something changes. Mend what the message names first."


class ErrorPages:
    def __init__(self, document: dict[str, Any]) -> None:
        pages = Environment(
            loader=PackageLoader("sautikitd.http"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        pages.filters["marked"] = _marked
        self._template = pages.get_template("error.html")
        operations = _operations(document)
        self._codes = {
            name: _Code(name, told["status"], told["messages"], told["told_by"], operations.get(name, ()))
            for name, told in document["x-error-codes"].items()
        }
        self._made: dict[tuple[str | None, bool], bytes] = {}

    def index(self) -> bytes:
        """All codes, by what they are about."""
        return self._rendered(None)

    def page(self, name: str) -> bytes | None:
        """The page about one code; None when there is no such code."""
        code = self._codes.get(name)
        return self._rendered(code) if code else None

    def missing(self) -> bytes:
        """Says that there is no such code, and shows those there are."""
        return self._rendered(None, missing=True)

    def _rendered(self, code: _Code | None, *, missing: bool = False) -> bytes:
        """The page about a code, or the list of all."""
        key = (code.name if code else None, missing)
        if key not in self._made:
            groups: dict[str, list[_Code]] = {}
            for one in self._codes.values():
                about = one.name.partition(".")[0] if "." in one.name else "everything"
                groups.setdefault(about, []).append(one)
            page = self._template.render(path=PATH, code=code, missing=missing, groups=sorted(groups.items()))
            self._made[key] = page.encode()
        return self._made[key]


def _operations(document: dict[str, Any]) -> dict[str, list[_Operation]]:
    """By code, the operations whose answers may carry it."""
    found: dict[str, list[_Operation]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            one = _Operation(method.upper(), path, operation["summary"])
            codes = {
                code for answer in operation["responses"].values() for code in answer.get("x-error-codes", ())
            }
            for code in codes:
                found.setdefault(code, []).append(one)
    return found


def _marked(text: str) -> Markup:
    """A message as HTML: `code` as such, and its places to be filled in by their names."""

    def mark(match: re.Match[str]) -> str:
        code, place = match.groups()
        return f"<code>{code}</code>" if code else f"<var>{place.replace('_', ' ')}</var>"

    return Markup(_MARKS.sub(mark, str(escape(text))))
