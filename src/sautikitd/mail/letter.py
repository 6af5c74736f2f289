"""What a mail says, and its two forms: HTML with its styles inline (mail programs drop style sheets), and plain text."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

Tone = Literal["calm", "warning", "good"]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """`summary` is what lists of mails show beside the subject. `facts` are rows of name and value; `action` a button."""

    subject: str
    summary: str
    title: str
    paragraphs: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    action: tuple[str, str] | None = None  # its words and its URL
    why: str = "You get this mail because you are an owner of this workspace."
    tone: Tone = "calm"


_PAPER = Environment(
    loader=PackageLoader("sautikitd.mail"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_COLOURS: dict[Tone, str] = {"calm": "#0f6b4f", "warning": "#b4441c", "good": "#0f6b4f"}


def as_html(letter: Letter, unsubscribe_url: str | None = None) -> str:
    colour = _COLOURS[letter.tone]
    return _PAPER.get_template("letter.html").render(
        letter=letter, unsubscribe_url=unsubscribe_url, colour=colour
    )


def as_text(letter: Letter, unsubscribe_url: str | None = None) -> str:
    return _PAPER.get_template("letter.txt").render(letter=letter, unsubscribe_url=unsubscribe_url)
