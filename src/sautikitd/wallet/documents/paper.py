"""The paper of statements and receipts: letterhead, parties, tables and footer, as PDF pages.

No document is ever called a tax invoice: that takes an eTIMS number (contract §7), whose place is kept.
"""

import io
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table

from sautikitd.clock import NAIROBI
from sautikitd.wallet.documents.month import Party
from sautikitd.wallet.money import CURRENCY, written

_INK, _GREY, _LINE, _PALE, _GREEN, _RUST = (
    HexColor(code) for code in ("#22271f", "#6a6f64", "#dcd8cc", "#f4f1e8", "#0f6b4f", "#b4441c")
)
TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12.5, textColor=_INK)
SMALL = ParagraphStyle("small", parent=TEXT, fontSize=8, leading=11, textColor=_GREY)
RIGHT = ParagraphStyle("right", parent=TEXT, alignment=TA_RIGHT)
SMALL_RIGHT = ParagraphStyle("small right", parent=SMALL, alignment=TA_RIGHT)
HEAD = ParagraphStyle("head", parent=SMALL, fontName="Helvetica-Bold")
HEAD_RIGHT = ParagraphStyle("head right", parent=HEAD, alignment=TA_RIGHT)
STRONG = ParagraphStyle("strong", parent=TEXT, fontName="Helvetica-Bold")
STRONG_RIGHT = ParagraphStyle("strong right", parent=STRONG, alignment=TA_RIGHT)
SECTION = ParagraphStyle(
    "section", parent=STRONG, fontSize=11, leading=14, spaceBefore=16, spaceAfter=4, textColor=_GREEN
)
LARGE = ParagraphStyle("large", parent=STRONG, fontSize=13, leading=17)
_TITLE = ParagraphStyle("title", parent=STRONG, fontSize=20, leading=24)
_TEST = ParagraphStyle("test", parent=SMALL, textColor=_RUST)
_MARGIN = 20 * mm
WIDTH = A4[0] - 2 * _MARGIN


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Who issues the documents; what is empty is said to be missing. A semicolon in `address` starts a new line.

    `paybill`: where live wallets are paid into; None where there is none.
    """

    name: str
    address: str
    kra_pin: str
    paybill: str | None = None


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What stands above a document. `facts`: rows of name and value beside the customer; the eTIMS number comes last."""

    title: str
    number: str
    mode: str
    customer: Party
    facts: Sequence[tuple[str, str]]


def document(heading: Heading, operator: Operator, body: Sequence[Flowable]) -> bytes:
    """A4 pages, numbered; the same input makes the same bytes."""
    buffer = io.BytesIO()
    pages = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN - 6,  # a frame pads its content by six points
        rightMargin=_MARGIN - 6,
        topMargin=18 * mm,
        bottomMargin=22 * mm,
        title=f"{heading.title} {heading.number}",
        author=operator.name,
        invariant=1,
    )
    story = [_letterhead(heading, operator), Spacer(1, 10), _parties(heading), *body]
    pages.build(story, canvasmaker=_footed(heading.number))
    return buffer.getvalue()


def _footed(number: str) -> type[Canvas]:
    class Footed(Canvas):  # type: ignore[misc]  # reportlab is untyped
        """Keeps the pages until their count is known, then writes the footers."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page, state in enumerate(self._kept, start=1):
                self.__dict__.update(state)
                self.setFont("Helvetica", 7.5)
                self.setFillColor(_GREY)
                self.drawString(
                    _MARGIN, 12 * mm, f"{number}. This document is not an invoice for tax purposes."
                )
                self.drawRightString(A4[0] - _MARGIN, 12 * mm, f"Page {page} of {len(self._kept)}")
                super().showPage()
            super().save()

    return Footed


def _letterhead(heading: Heading, operator: Operator) -> Flowable:
    lines = [line.strip() for line in operator.address.replace("\n", ";").split(";")]
    issuer = [
        paragraph(operator.name, STRONG_RIGHT),
        *(paragraph(line, SMALL_RIGHT) for line in lines if line),
        paragraph(f"KRA PIN {operator.kra_pin or '(not set)'}", SMALL_RIGHT),
    ]
    title = [paragraph(heading.title, _TITLE)]
    if heading.mode == "test":
        title.append(paragraph("Test mode: no real money", _TEST))
    style = [*_PLAIN, ("LINEBELOW", (0, 0), (-1, -1), 1.5, _GREEN), ("BOTTOMPADDING", (0, 0), (-1, -1), 10)]
    return Table([[title, issuer]], colWidths=[WIDTH * 0.55, WIDTH * 0.45], style=style)


def _parties(heading: Heading) -> Flowable:
    customer = [
        paragraph("Customer", SMALL),
        paragraph(heading.customer.name, STRONG),
        paragraph(f"Account {heading.customer.account_ref}"),
    ]
    lines = [*heading.facts, ("eTIMS number", "not issued")]
    facts = Table(
        [[paragraph(name, SMALL), paragraph(value, RIGHT)] for name, value in lines],
        colWidths=[WIDTH * 0.16, WIDTH * 0.36],
        style=[*_PLAIN, ("VALIGN", (0, 0), (-1, -1), "BOTTOM"), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)],
    )
    return Table([[customer, facts]], colWidths=[WIDTH * 0.48, WIDTH * 0.52], style=_PLAIN)


_PLAIN: list[tuple[Any, ...]] = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
]


def figures(named: Sequence[tuple[str, str]]) -> Flowable:
    """The sums that matter, side by side in a pale band."""
    columns = [[paragraph(name, SMALL), paragraph(value, LARGE)] for name, value in named]
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), _PALE),
        ("LEFTPADDING", (0, 0), (-1, -1), 10),
        ("TOPPADDING", (0, 0), (-1, -1), 8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 9),
    ]
    return Table([columns], colWidths=[WIDTH / len(named)] * len(named), style=style)


def table(rows: Sequence[Sequence[Flowable]], shares: Sequence[float]) -> Flowable:
    """Its first row is the heading, repeated on every page; `shares` of the page's width."""
    style = [
        *_PLAIN,
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, _GREY),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, _LINE),
        ("RIGHTPADDING", (0, 0), (-2, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 3.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]
    return Table(
        [list(row) for row in rows], colWidths=[WIDTH * share for share in shares], repeatRows=1, style=style
    )


def paragraph(text: str, style: ParagraphStyle = TEXT) -> Paragraph:
    return Paragraph(escape(_printable(text)), style)


def figure(amount_minor: int, style: ParagraphStyle = RIGHT) -> Paragraph:
    """`1,234.05`, in a column whose heading says of what."""
    return paragraph(written(amount_minor).replace(f"{CURRENCY} ", ""), style)


def written_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def written_moment(at: datetime) -> str:
    local = at.astimezone(NAIROBI)
    return f"{written_day(local)}, {local:%H:%M} EAT"


def _printable(text: str) -> str:
    """Helvetica has the letters of Western Europe: `Mũthoni` is written `Muthoni`, as on an identity card."""
    return "".join(_letter(one) for one in text)


def _letter(one: str) -> str:
    for form in (one, unicodedata.normalize("NFKD", one)[:1]):
        if form.encode("cp1252", "ignore"):
            return form
    return "" if unicodedata.combining(one) else "?"
