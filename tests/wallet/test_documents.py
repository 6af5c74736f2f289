"""Monthly statements, receipts and spend, over HTTP."""

from collections.abc import AsyncIterator
from datetime import date
from fractions import Fraction
from math import floor
from uuid import UUID

import httpx
import pytest

from factories import Platform, advance, client
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.identity.workspaces import Workspace
from sautikitd.ids import uuid7
from sautikitd.spending.routes import SpendingRoutes
from sautikitd.wallet.documents.month import monthly_statement
from sautikitd.wallet.documents.paper import Operator
from sautikitd.wallet.documents.routes import DocumentRoutes
from sautikitd.wallet.models import Account, Cause, Details, EntryType

OPERATOR = Operator(name="Example Ltd", address="PO Box 1, Nairobi", kra_pin="P051234567X")


@pytest.fixture
async def platform(database: Database) -> Platform:
    return await Platform.on(database, ManualClock())


@pytest.fixture
async def duka(platform: Platform) -> Workspace:
    return await platform.workspace()


@pytest.fixture
async def live(platform: Platform, duka: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    await platform.inventory("+254205000001")
    made = await platform.key(duka.id, "live")
    async with client(platform.application(DocumentRoutes(OPERATOR), SpendingRoutes()), made.key) as api:
        yield api


async def top_up(platform: Platform, duka: Workspace, topup_id: UUID) -> None:
    details = Details(description="M-Pesa top-up", reference="SKJ1A2B3C4", topup_id=topup_id)
    cause = Cause(EntryType.TOP_UP, str(topup_id))
    async with platform.database.transaction() as connection:
        await platform.wallets.credit(connection, Account(duka.id, "live"), cause, 100_000, details)


async def call(platform: Platform, duka: Workspace, cost: int) -> None:
    cause = Cause(EntryType.CALL, str(uuid7()))
    async with platform.database.transaction() as connection:
        await platform.wallets.hold(connection, Account(duka.id, "live"), cause, cost)
        await platform.wallets.settle(connection, cause, cost, Details(description="Call"))


async def test_the_statement_adds_up_and_takes_vat_of_calls_once_on_the_total(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    await top_up(platform, duka, uuid7())
    await platform.number(duka.id, "+254205000001", "live")
    costs = [301, 17, 5, 5, 5, 299]
    for cost in costs:
        await call(platform, duka, cost)
    advance(platform.clock, days=1)
    await call(platform, duka, 3)
    async with platform.database.connection() as connection:
        account = Account(duka.id, "live")
        month = await monthly_statement(connection, account, date(2026, 11, 1), platform.clock.now())
    assert month is not None
    assert [item.text for item in month.items][-2:] == ["6 calls", "1 call"]
    assert month.closing_minor == 100_000 - 3_094 - sum(costs) - 3 == await platform.balance(duka.id)
    calls, rentals = month.taxes
    total = sum(costs) + 3
    assert calls.vat_minor == floor(Fraction(total * 16, 116) + Fraction(1, 2))
    assert calls.net_minor + calls.vat_minor == total
    assert (rentals.net_minor, rentals.vat_minor) == (2_667, 427)


async def test_pages_are_pdf_and_months_that_are_not_are_not_found(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    topup_id = uuid7()
    assert (await live.get(f"/v1/topups/{topup_id}/receipt.pdf")).status_code == 404
    await top_up(platform, duka, topup_id)
    for path in ("/v1/wallet/statements/2026-11.pdf", f"/v1/topups/{topup_id}/receipt.pdf"):
        answer = await live.get(path)
        assert answer.content.startswith(b"%PDF-"), answer.text
        assert answer.headers["content-type"] == "application/pdf"
    for month in ("2026-12", "2026-10", "2026-13", "nonsense"):
        missing = await live.get(f"/v1/wallet/statements/{month}.pdf")
        assert missing.json()["error"]["code"] == "wallet.statement_not_found"
    narrow = (await platform.key(duka.id, "live", number_ids=frozenset({uuid7()}))).key
    refused = await live.get(
        "/v1/wallet/statements/2026-11.pdf", headers={"Authorization": f"Bearer {narrow}"}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "api_key.number_denied")


async def test_spend_is_told_by_day_number_and_destination(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    await top_up(platform, duka, uuid7())
    await platform.number(duka.id, "+254205000001", "live")
    advance(platform.clock, days=1)
    await call(platform, duka, 300)
    days = (await live.get("/v1/wallet/spend?by=day")).json()
    assert [(row["key"], row["total_minor"]) for row in days["data"]] == [
        ("2026-11-23", 3_094),
        ("2026-11-24", 300),
    ]
    assert days["total_minor"] == 3_394
    numbers = (await live.get("/v1/wallet/spend?by=number")).json()["data"]
    assert numbers[0]["key"] == "+254205000001"
    where = (await live.get("/v1/wallet/spend?by=destination")).json()["data"]
    assert [(row["key"], row["calls"]) for row in where] == [("rental", 0), ("", 1)]
    assert (await live.get("/v1/wallet/spend?by=colour")).status_code == 422
