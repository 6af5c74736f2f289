"""What a reader finds on the pages of statements and receipts."""

import base64
import re
import zlib
from datetime import UTC, date, datetime

import msgspec

from sautikitd.wallet.documents.month import Item, MonthlyStatement, Party, Receipt, Tax
from sautikitd.wallet.documents.paper import Operator
from sautikitd.wallet.documents.receipt_page import receipt_pdf
from sautikitd.wallet.documents.statement_page import statement_pdf
from sautikitd.wallet.money import Minor

OPERATOR = Operator(
    name="Example Ltd", address="Loita Street; PO Box 1, Nairobi", kra_pin="P051234567X", paybill="600100"
)
CUSTOMER = Party(name="Mũthoni Traders Ltd", account_ref="48217306")
STATEMENT = MonthlyStatement(
    number="ST-48217306-202610",
    customer=CUSTOMER,
    mode="live",
    first_day=date(2026, 10, 1),
    last_day=date(2026, 10, 31),
    provisional=False,
    opening_minor=Minor(1_000),
    closing_minor=Minor(98_400),
    items=[
        Item(
            day=date(2026, 10, 1), text="M-Pesa top-up", reference="SKJ1A2B3C4", amount_minor=Minor(100_000)
        ),
        Item(day=date(2026, 10, 1), text="6 calls", reference="", amount_minor=Minor(-2_600)),
    ],
    taxes=[Tax(charge="Calls", basis_points=1600, net_minor=Minor(2_241), vat_minor=Minor(359))],
)
RECEIPT = Receipt(
    number="RC-48217306-000042",
    customer=CUSTOMER,
    mode="live",
    amount_minor=Minor(25_000_000),
    reference="SKJ1A2B3C4",
    description="M-Pesa top-up",
    paid_at=datetime(2026, 10, 3, 7, 5, tzinfo=UTC),
)


def lines(pdf: bytes) -> list[str]:
    """The text of the pages, as it is drawn."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        page = zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
        found += [
            re.sub(r"\\(.)", r"\1", text.decode("cp1252")) for text in re.findall(rb"\((.*?)\) Tj", page)
        ]
    return found


def test_a_statement_shows_who_issues_it_to_whom_and_what_it_is() -> None:
    page = lines(statement_pdf(STATEMENT, OPERATOR))
    for wanted in (
        *("Statement of account", "ST-48217306-202610", "1 October 2026 to 31 October 2026", "Final"),
        *("Example Ltd", "Loita Street", "PO Box 1, Nairobi", "KRA PIN P051234567X"),
        *("Muthoni Traders Ltd", "Account 48217306", "eTIMS number", "not issued", "Page 1 of 1"),
    ):
        assert wanted in page, wanted


def test_every_line_has_the_balance_it_leaves_and_taxes_are_itemised() -> None:
    page = lines(statement_pdf(STATEMENT, OPERATOR))
    top_up = page.index("SKJ1A2B3C4")
    assert page[top_up : top_up + 3] == ["SKJ1A2B3C4", "1,000.00", "1,010.00"]
    calls = page.index("6 calls")
    assert page[calls : calls + 3] == ["6 calls", "26.00", "984.00"]
    taxes = page.index("Calls")
    assert page[taxes : taxes + 5] == ["Calls", "16 %", "22.41", "3.59", "26.00"]


def test_only_a_live_statement_says_where_to_pay() -> None:
    live = " ".join(lines(statement_pdf(STATEMENT, OPERATOR)))
    assert "business number 600100, account number 48217306" in live
    test = " ".join(lines(statement_pdf(msgspec.structs.replace(STATEMENT, mode="test"), OPERATOR)))
    assert "600100" not in test
    assert "no real money" in test


def test_a_long_month_is_several_pages_that_know_their_number() -> None:
    many = msgspec.structs.replace(STATEMENT, items=[*STATEMENT.items] * 40)
    assert [line for line in lines(statement_pdf(many, OPERATOR)) if line.startswith("Page ")] == [
        *("Page 1 of 3", "Page 2 of 3", "Page 3 of 3"),
    ]


def test_a_receipt_shows_the_money_its_receipt_and_the_time_in_nairobi() -> None:
    page = lines(receipt_pdf(RECEIPT, OPERATOR))
    for wanted in ("KES 250,000.00", "SKJ1A2B3C4", "3 October 2026, 10:05 EAT", "RC-48217306-000042"):
        assert wanted in page, wanted


def test_no_page_is_called_a_tax_invoice() -> None:
    for pdf in (statement_pdf(STATEMENT, OPERATOR), receipt_pdf(RECEIPT, OPERATOR)):
        assert "tax invoice" not in " ".join(lines(pdf)).lower()
