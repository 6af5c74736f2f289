"""The monthly statement as a bank would write it: what came in, what went out, the balance after each, and the taxes."""

from collections.abc import Iterator

from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer

from sautikitd.wallet.documents.month import MonthlyStatement
from sautikitd.wallet.documents.paper import (
    HEAD,
    HEAD_RIGHT,
    RIGHT,
    SECTION,
    SMALL,
    STRONG,
    STRONG_RIGHT,
    Heading,
    Operator,
    document,
    figure,
    figures,
    paragraph,
    table,
    written_day,
)
from sautikitd.wallet.money import CURRENCY, written

_NOTE = (
    "VAT is charged on top of rentals, each by itself. Prices of calls include it; it is worked out once on the "
    "total of the month. Refunds of rentals are taken off."
)


def statement_pdf(statement: MonthlyStatement, operator: Operator) -> bytes:
    heading = Heading(
        title="Statement of account",
        number=statement.number,
        mode=statement.mode,
        customer=statement.customer,
        facts=[
            ("Statement", statement.number),
            ("Period", f"{written_day(statement.first_day)} to {written_day(statement.last_day)}"),
            ("Status", "Provisional: the month is not over" if statement.provisional else "Final"),
        ],
    )
    amounts = [item.amount_minor for item in statement.items]
    body: list[Flowable] = [
        Spacer(1, 14),
        figures(
            [
                ("Opening balance", written(statement.opening_minor)),
                ("Paid in", written(sum(amount for amount in amounts if amount > 0))),
                ("Paid out", written(-sum(amount for amount in amounts if amount < 0))),
                ("Closing balance", written(statement.closing_minor)),
            ]
        ),
        Paragraph("Account", SECTION),
        table(list(_account(statement)), (0.09, 0.38, 0.15, 0.125, 0.125, 0.13)),
        KeepTogether(
            [
                Paragraph("Taxes in these charges", SECTION),
                table(list(_taxes(statement)), (0.32, 0.14, 0.18, 0.18, 0.18)),
                Spacer(1, 6),
                Paragraph(_NOTE, SMALL),
            ]
        ),
        *_how_to_pay(statement, operator),
    ]
    return document(heading, operator, body)


def _account(statement: MonthlyStatement) -> Iterator[list[Flowable]]:
    names = ("Paid in", "Paid out", f"Balance, {CURRENCY}")
    yield [
        *(paragraph(name, HEAD) for name in ("Date", "Description", "Reference")),
        *(paragraph(name, HEAD_RIGHT) for name in names),
    ]
    balance: int = statement.opening_minor
    yield _line("", "Opening balance", figure(balance, STRONG_RIGHT))
    for item in statement.items:
        balance += item.amount_minor
        paid_in = figure(item.amount_minor) if item.amount_minor > 0 else paragraph("")
        paid_out = figure(-item.amount_minor) if item.amount_minor < 0 else paragraph("")
        day = paragraph(f"{item.day.day} {item.day:%b}")
        yield [
            day,
            paragraph(item.text),
            paragraph(item.reference, SMALL),
            paid_in,
            paid_out,
            figure(balance),
        ]
    yield _line("", "Closing balance", figure(statement.closing_minor, STRONG_RIGHT))


def _line(day: str, text: str, balance: Flowable) -> list[Flowable]:
    blank = [paragraph("") for _ in range(3)]
    return [paragraph(day), paragraph(text, STRONG), *blank, balance]


def _taxes(statement: MonthlyStatement) -> Iterator[list[Flowable]]:
    names = ("VAT rate", "Net", "VAT", f"Charged, {CURRENCY}")
    yield [paragraph("Charges", HEAD), *(paragraph(name, HEAD_RIGHT) for name in names)]
    for tax in statement.taxes:
        sums = (tax.net_minor, tax.vat_minor, tax.net_minor + tax.vat_minor)
        rate = paragraph(f"{tax.basis_points / 100:g} %", RIGHT)
        yield [paragraph(tax.charge), rate, *(figure(amount) for amount in sums)]
    net = sum(tax.net_minor for tax in statement.taxes)
    vat = sum(tax.vat_minor for tax in statement.taxes)
    totals = (figure(amount, STRONG_RIGHT) for amount in (net, vat, net + vat))
    yield [paragraph("Total", STRONG), paragraph(""), *totals]


def _how_to_pay(statement: MonthlyStatement, operator: Operator) -> Iterator[Flowable]:
    if operator.paybill is None or statement.mode != "live":
        return
    account = statement.customer.account_ref
    text = f"To top up by M-PESA: Lipa na M-PESA, Pay Bill, business number {operator.paybill}, account number {account}."
    yield KeepTogether([Paragraph("Topping up", SECTION), paragraph(text)])
