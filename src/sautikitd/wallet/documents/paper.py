"""Statements and receipts as PDF pages. Neither is ever called a tax invoice: that takes an eTIMS number (contract §7)."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from sautikitd.clock import NAIROBI
from sautikitd.wallet.documents.month import MonthlyStatement, Party, Receipt
from sautikitd.wallet.money import written

_INK, _GREY, _LINE, _GREEN = (HexColor(code) for code in ("#22271f", "#6a6f64", "#dcd8cc", "#0f6b4f"))
_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12.5, textColor=_INK)
_SMALL = ParagraphStyle("small", parent=_TEXT, fontSize=8, leading=11, textColor=_GREY)
_RIGHT = ParagraphStyle("right", parent=_TEXT, alignment=TA_RIGHT)
_HEAD = ParagraphStyle("head", parent=_SMALL, fontName="Helvetica-Bold")
_HEAD_RIGHT = ParagraphStyle("head right", parent=_HEAD, alignment=TA_RIGHT)
_STRONG = ParagraphStyle("strong", parent=_TEXT, fontName="Helvetica-Bold")
_STRONG_RIGHT = ParagraphStyle("strong right", parent=_STRONG, alignment=TA_RIGHT)
_TITLE = ParagraphStyle("title", parent=_TEXT, fontName="Helvetica-Bold", fontSize=20, leading=24)
_SECTION = ParagraphStyle(
    "section", parent=_STRONG, fontSize=11, leading=14, spaceBefore=14, spaceAfter=4, textColor=_GREEN
)
_WIDTH = A4[0] - 40 * mm


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Who issues the documents; what is empty is shown as a blank to fill in."""

    name: str
    address: str
    kra_pin: str


def statement_pdf(statement: MonthlyStatement, operator: Operator) -> bytes:
    period = f"{_day(statement.first_day)} to {_day(statement.last_day)}"
    status = "Provisional: the month is not over" if statement.provisional else "Final"
    facts = [("Statement", statement.number), ("Period", period), ("Status", status)]
    rows = [[_p("Date", _HEAD), _p("Description", _HEAD), _p("Reference", _HEAD), _p("Amount", _HEAD_RIGHT)]]
    rows.append(
        [_p(""), _p("Opening balance", _STRONG), _p(""), _money(statement.opening_minor, _STRONG_RIGHT)]
    )
    rows += [
        [_p(f"{item.day:%d %b}"), _p(item.text), _p(item.reference), _money(item.amount_minor)]
        for item in statement.items
    ]
    rows.append(
        [_p(""), _p("Closing balance", _STRONG), _p(""), _money(statement.closing_minor, _STRONG_RIGHT)]
    )
    taxes = [[_p("Taxes", _HEAD), *(_p(name, _HEAD_RIGHT) for name in ("Rate", "Net", "VAT", "Charged"))]]
    taxes += [
        [
            _p(tax.charge),
            _p(f"{tax.basis_points / 100:g} %", _RIGHT),
            _money(tax.net_minor),
            _money(tax.vat_minor),
            _money(tax.net_minor + tax.vat_minor),
        ]
        for tax in statement.taxes
    ]
    total = sum(tax.net_minor for tax in statement.taxes), sum(tax.vat_minor for tax in statement.taxes)
    taxes.append(
        [_p("Total", _STRONG), _p(""), *(_money(sum_, _STRONG_RIGHT) for sum_ in (*total, sum(total)))]
    )
    note = (
        "VAT is charged on top of rentals, each by itself. Prices of calls include it; it is worked out once on the "
        "total of the month. Refunds of rentals are taken off."
    )
    body: list[Flowable] = [
        Paragraph("Account", _SECTION),
        _table(rows, (0.11, 0.49, 0.2, 0.2)),
        Paragraph("Taxes in these charges", _SECTION),
        _table(taxes, (0.32, 0.14, 0.18, 0.18, 0.18)),
        Spacer(1, 6),
        Paragraph(note, _SMALL),
    ]
    return _document(
        "Statement of account", statement.number, statement.mode, operator, statement.customer, facts, body
    )


def receipt_pdf(receipt: Receipt, operator: Operator) -> bytes:
    facts = [("Receipt", receipt.number), ("Received", _moment(receipt.paid_at))]
    rows = [
        [_p("For", _HEAD), _p("M-Pesa receipt", _HEAD), _p("Amount", _HEAD_RIGHT)],
        [_p(receipt.description), _p(receipt.reference or "-"), _money(receipt.amount_minor)],
        [_p("Received with thanks", _STRONG), _p(""), _money(receipt.amount_minor, _STRONG_RIGHT)],
    ]
    note = "Money paid into a prepaid wallet. VAT is charged when it is spent; the monthly statement itemises it."
    body: list[Flowable] = [
        Spacer(1, 14),
        _table(rows, (0.52, 0.26, 0.22)),
        Spacer(1, 6),
        Paragraph(note, _SMALL),
    ]
    return _document("Payment receipt", receipt.number, receipt.mode, operator, receipt.customer, facts, body)


def _document(
    title: str,
    number: str,
    mode: str,
    operator: Operator,
    customer: Party,
    facts: Sequence[tuple[str, str]],
    body: Sequence[Flowable],
) -> bytes:
    buffer = io.BytesIO()
    pages = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=20 * mm - 6,  # a frame pads its content by six points
        rightMargin=20 * mm - 6,
        topMargin=18 * mm,
        bottomMargin=22 * mm,
        title=f"{title} {number}",
        author=operator.name,
        invariant=1,
    )

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 7.5)
        canvas.setFillColor(_GREY)
        canvas.drawString(20 * mm, 12 * mm, f"{number}. This document is not an invoice for tax purposes.")
        canvas.drawRightString(A4[0] - 20 * mm, 12 * mm, f"Page {document.page}")

    story = [*_letterhead(title, mode, operator), _parties(customer, facts), *body]
    pages.build(story, onFirstPage=footer, onLaterPages=footer)
    return buffer.getvalue()


def _letterhead(title: str, mode: str, operator: Operator) -> list[Flowable]:
    issuer = [
        _p(operator.name, _STRONG_RIGHT),
        _p(operator.address or "Address: not set", ParagraphStyle("a", parent=_SMALL, alignment=TA_RIGHT)),
        _p(
            f"KRA PIN: {operator.kra_pin or 'not set'}",
            ParagraphStyle("k", parent=_SMALL, alignment=TA_RIGHT),
        ),
    ]
    heading = [_p(title, _TITLE)]
    if mode == "test":
        heading.append(
            _p("Test mode: no real money", ParagraphStyle("t", parent=_SMALL, textColor=HexColor("#b4441c")))
        )
    table = Table([[heading, issuer]], colWidths=[_WIDTH * 0.55, _WIDTH * 0.45])
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("LINEBELOW", (0, 0), (-1, -1), 1.5, _GREEN),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 10),
            ]
        )
    )
    return [table, Spacer(1, 10)]


def _parties(customer: Party, facts: Sequence[tuple[str, str]]) -> Flowable:
    left = [_p("Customer", _SMALL), _p(customer.name, _STRONG), _p(f"Account {customer.account_ref}", _TEXT)]
    lines = [*facts, ("eTIMS number", "not issued")]
    right = Table(
        [[_p(name, _SMALL), _p(value, _RIGHT)] for name, value in lines],
        colWidths=[_WIDTH * 0.16, _WIDTH * 0.36],
        style=[
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ],
    )
    return Table(
        [[left, right]],
        colWidths=[_WIDTH * 0.48, _WIDTH * 0.52],
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ],
    )


def _table(rows: Sequence[Sequence[Flowable]], shares: Sequence[float]) -> Flowable:
    table = Table([list(row) for row in rows], colWidths=[_WIDTH * share for share in shares], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, _GREY),
                ("LINEBELOW", (0, 1), (-1, -1), 0.3, _LINE),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-2, -1), 6),
                ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 3.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
            ]
        )
    )
    return table


def _p(text: str, style: ParagraphStyle = _TEXT) -> Paragraph:
    return Paragraph(escape(text), style)


def _money(amount_minor: int, style: ParagraphStyle = _RIGHT) -> Paragraph:
    return _p(written(amount_minor), style)


def _day(day: Any) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(at: datetime) -> str:
    local = at.astimezone(NAIROBI)
    return f"{_day(local)}, {local:%H:%M} EAT"
