"""Money by M-Pesa through the whole installation: Daraja's simulator over HTTP, the worker, and staff at the command line."""

import asyncio
from typing import Any

import pytest

from system.installation import Customer, Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYS = "+254712340001"
PAYS_A_SHILLING_MORE = "+254712350016"


async def _top_up(installation: Installation, customer: Customer, phone: str, shillings: int) -> str:
    body = {"phone_e164": phone, "amount_minor": shillings * 100, "provider": "mpesa", "currency": "KES"}
    made = await installation.api("POST", "/v1/topups", customer.key, body, expect=201)
    topup_id: str = made["topup_id"]
    return topup_id


async def _balance(installation: Installation, customer: Customer) -> int:
    wallet = await installation.api("GET", "/v1/wallet/balance", customer.key, expect=200)
    balance: int = wallet["balance_minor"]
    return balance


async def _cases(installation: Installation) -> list[dict[str, Any]]:
    listed = await installation.command("suspense", "list")
    cases: list[dict[str, Any]] = listed["cases"]
    return cases


async def test_a_prompt_that_is_paid_fills_the_wallet(
    installation: Installation, test_customer: Customer
) -> None:
    before = await _balance(installation, test_customer)
    topup_id = await _top_up(installation, test_customer, PAYS, 250)
    async with asyncio.timeout(20):
        while (await installation.api("GET", f"/v1/topups/{topup_id}", test_customer.key))["topup"][
            "status"
        ] == "pending":
            await asyncio.sleep(0.1)
    assert await _balance(installation, test_customer) == before + 25_000


async def test_staff_sends_a_payment_of_another_amount_back_by_one_command(
    installation: Installation, test_customer: Customer
) -> None:
    before = await _balance(installation, test_customer)
    await _top_up(installation, test_customer, PAYS_A_SHILLING_MORE, 100)
    async with asyncio.timeout(20):
        while not (cases := await _cases(installation)):
            await asyncio.sleep(0.1)
    assert cases[0]["amount_minor"] == 10_100
    sent = await installation.command("suspense", "reverse", cases[0]["id"], "--reason", "Paid 101 for 100")
    assert sent["sent"] is True
    async with asyncio.timeout(20):
        while await _cases(installation):
            await asyncio.sleep(0.1)
    assert await _balance(installation, test_customer) == before
    assert (await installation.command("ledger", "audit"))["ok"] is True
