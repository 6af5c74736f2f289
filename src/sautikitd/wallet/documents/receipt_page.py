"""The receipt of a payment into a wallet."""

from reportlab.platypus import Flowable, Paragraph, Spacer

from sautikitd.wallet.documents.month import Receipt
from sautikitd.wallet.documents.paper import (
    HEAD,
    HEAD_RIGHT,
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
    written_moment,
)
from sautikitd.wallet.money import CURRENCY, written

_NOTE = (
    "Paid into a prepaid wallet, received with thanks. VAT is charged when the money is spent; the monthly statement "
    "itemises it."
)


def receipt_pdf(receipt: Receipt, operator: Operator) -> bytes:
    received = written_moment(receipt.paid_at)
    heading = Heading(
        title="Payment receipt",
        number=receipt.number,
        mode=receipt.mode,
        customer=receipt.customer,
        facts=[("Receipt", receipt.number), ("Received", received)],
    )
    rows = [
        [
            paragraph("For", HEAD),
            paragraph("M-PESA receipt", HEAD),
            paragraph(f"Amount, {CURRENCY}", HEAD_RIGHT),
        ],
        [
            paragraph(f"{receipt.description}, into account {receipt.customer.account_ref}"),
            paragraph(receipt.reference or "-"),
            figure(receipt.amount_minor),
        ],
        [paragraph("Total", STRONG), paragraph(""), figure(receipt.amount_minor, STRONG_RIGHT)],
    ]
    body: list[Flowable] = [
        Spacer(1, 14),
        figures([("Received", written(receipt.amount_minor)), ("M-PESA receipt", receipt.reference or "-")]),
        Spacer(1, 14),
        table(rows, (0.52, 0.26, 0.22)),
        Spacer(1, 8),
        Paragraph(_NOTE, SMALL),
    ]
    return document(heading, operator, body)
