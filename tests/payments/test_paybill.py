"""Money that people send to the Paybill by hand."""

from typing import Any

import httpx
import pytest

from payments.office import Office
from sautikitd.payments.errors import DarajaRefused
from sautikitd.payments.references import (
    TopUpReference,
    WorkspaceReference,
    read_reference,
    topup_reference,
)

PAYER = "254711222333"


@pytest.fixture
async def paybill(office: Office) -> Office:
    await office.parts.registration.register("test")
    return office


async def pay(office: Office, reference: str, shillings: int = 70) -> str:
    """The receipt, or the code it was refused with."""
    paid, refused = await office.mpesa.pay_paybill(PAYER, shillings, reference)
    await office.settle()
    return paid.receipt if paid else refused


async def test_a_payment_with_the_workspaces_account_fills_its_wallet(paybill: Office) -> None:
    receipt = await pay(paybill, paybill.workspace.mpesa_account_ref)
    assert await paybill.balance() == 7_000
    topup = (await paybill.client.get("/v1/topups")).json()["data"][0]
    assert (topup["channel"], topup["status"], topup["provider_reference"]) == (
        "paybill",
        "succeeded",
        receipt,
    )
    told = await paybill.events("wallet.top_up")
    assert [(event["topup_id"], event["provider_reference"]) for event in told] == [(topup["id"], receipt)]
    await paybill.require_right_books()


async def test_the_account_is_taken_however_it_is_typed(paybill: Office) -> None:
    ref = paybill.workspace.mpesa_account_ref
    spelt = ref.replace("0", "o").replace("1", "l")
    for times, typed in enumerate(
        (f" {ref} ", f"{ref[:4]} {ref[4:]}", f"{ref[:4]}-{ref[4:]}", spelt), start=1
    ):
        await pay(paybill, typed)
        assert await paybill.balance() == 7_000 * times, typed


async def test_an_unknown_account_is_refused_before_money_moves(paybill: Office) -> None:
    for typed in ("", "12345678", "rent", "0712345678", "10000013", "T234567ABC"):
        assert await pay(paybill, typed) == "C2B00012", typed
    assert paybill.mpesa.paid == []


async def test_money_let_through_for_an_unknown_account_waits_in_suspense(paybill: Office) -> None:
    registered = paybill.mpesa.registration
    assert registered is not None
    unreachable = httpx.URL(registered.validation_url).copy_with(port=9)
    paybill.mpesa.registration = type(registered)(
        registered.confirmation_url, str(unreachable), "Completed", True
    )
    await pay(paybill, "rent for november")
    assert await paybill.value("SELECT (amount_minor, reason) FROM suspense_cases") == (
        7_000,
        "unknown_reference",
    )
    assert await paybill.balance() == 0
    await paybill.require_right_books()


@pytest.mark.parametrize("amount", ["0", "-5.00", "fifty", "", "0.001", "NaN", "1e999999", None])
async def test_what_is_no_amount_is_refused_before_money_moves(paybill: Office, amount: str | None) -> None:
    body = {
        "TransID": "RKL51ZDR4F",
        "TransAmount": amount,
        "BusinessShortCode": "600100",
        "BillRefNumber": paybill.workspace.mpesa_account_ref,
    }
    answer = await paybill.client.post(paybill.paths.paybill("test", "validation"), json=body)
    assert (answer.status_code, answer.json()["ResultCode"]) == (200, "C2B00013")


async def test_a_confirmation_that_comes_twice_or_never_is_credited_once(paybill: Office) -> None:
    ref = paybill.workspace.mpesa_account_ref
    paybill.script(PAYER, callbacks=2)
    await pay(paybill, ref, 70)
    paybill.script(PAYER, callbacks=0)
    await pay(paybill, ref, 30)
    assert await paybill.balance() == 7_000
    await paybill.later(minutes=16)
    assert await paybill.balance() == 10_000
    assert len(await paybill.events("wallet.top_up")) == 2
    await paybill.require_right_books()


async def test_an_stk_payment_told_by_all_three_channels_is_credited_once(paybill: Office) -> None:
    topup_id = await paybill.top_up("+254712340018")
    await paybill.later(minutes=16)
    assert await paybill.balance() == 10_000
    row = await paybill.value("SELECT num_nonnulls(stk_at, c2b_at, pull_at) FROM mpesa_receipts")
    assert row == 3
    assert (await paybill.read(topup_id))["status"] == "succeeded"
    await paybill.require_right_books()


async def test_a_top_ups_reference_typed_by_hand_pays_it(paybill: Office) -> None:
    topup_id = await paybill.top_up("+254712340003")
    reference = (await paybill.read(topup_id))["reference"]
    assert await pay(paybill, reference, 99) == "C2B00013"
    await pay(paybill, reference.lower(), 100)
    shown = await paybill.read(topup_id)
    assert (shown["status"], shown["late"]) == ("succeeded", True)
    assert await pay(paybill, reference, 100) == "C2B00012"
    await paybill.require_right_books()


async def test_a_top_up_paid_twice_leaves_the_second_payment_in_suspense(paybill: Office) -> None:
    paybill.script("+254712340070", person=True)
    answer = await paybill.ask("+254712340070")
    await paybill.parts.pusher.work()
    reference = answer.json()["topup"]["reference"]
    paid_by_hand, _ = await paybill.mpesa.pay_paybill(PAYER, 100, reference)
    await paybill.settle()
    await paybill.mpesa.enter_pin("254712340070", "1234")
    await paybill.settle()
    assert paid_by_hand is not None
    assert await paybill.balance() == 10_000
    assert await paybill.value("SELECT reason FROM suspense_cases") == "paid_twice"
    await paybill.require_right_books()


async def test_an_stk_payment_first_heard_of_under_a_strange_reference_finds_its_top_up(
    paybill: Office,
) -> None:
    """Should BillRefNumber not be our AccountReference (nobody knows), the confirmation cannot be attributed at first."""
    paybill.script("+254712340071", person=True, callbacks=0)
    await paybill.ask("+254712340071")
    await paybill.parts.pusher.work()
    await paybill.mpesa.enter_pin("254712340071", "1234")
    prompt = next(reversed(paybill.mpesa.prompts.values()))
    await confirm(paybill, prompt.receipt, "174379 Online", "100.00")
    assert await paybill.value("SELECT state FROM suspense_cases") == "open"
    await paybill.client.post(prompt.callback_url, json=paybill.mpesa._callback(prompt))
    await paybill.settle()
    assert await paybill.value("SELECT state FROM suspense_cases") == "matched"
    assert await paybill.balance() == 10_000
    await paybill.require_right_books()


async def test_the_same_where_a_query_had_credited_it_already(paybill: Office) -> None:
    paybill.script("+254712340071", person=True, callbacks=0)
    await paybill.ask("+254712340071")
    await paybill.parts.pusher.work()
    await paybill.mpesa.enter_pin("254712340071", "1234")
    prompt = next(reversed(paybill.mpesa.prompts.values()))
    paybill.clock.advance(30)
    await paybill.settle()
    await confirm(paybill, prompt.receipt, "174379 Online", "100.00")
    await paybill.client.post(prompt.callback_url, json=paybill.mpesa._callback(prompt))
    await paybill.settle()
    assert await paybill.value("SELECT state FROM suspense_cases") == "matched"
    assert await paybill.balance() == 10_000
    await paybill.require_right_books()


async def confirm(office: Office, receipt: str, reference: str, amount: str, **others: Any) -> None:
    body = {
        "TransID": receipt,
        "TransAmount": amount,
        "BillRefNumber": reference,
        "BusinessShortCode": "600100",
        "TransTime": "20261123120000",
        "MSISDN": "2547 ***** 126",
    }
    await office.client.post(office.paths.paybill("test", "confirmation"), json=body | others)
    await office.settle()


async def test_a_confirmation_for_another_shortcode_is_not_ours(paybill: Office) -> None:
    await confirm(paybill, "QWE1234567", paybill.workspace.mpesa_account_ref, "5", BusinessShortCode="600200")
    assert await paybill.balance() == 0
    assert await paybill.value("SELECT note FROM mpesa_inbox") == "another shortcode"


async def test_a_confirmation_from_a_strange_address_is_kept_and_not_believed(paybill: Office) -> None:
    body = {"TransID": "QWE1234567", "TransAmount": "5", "BillRefNumber": paybill.workspace.mpesa_account_ref}
    await paybill.client.post(paybill.paths.paybill("test", "confirmation"), json=body)
    async with paybill.database.connection() as connection:
        await connection.execute("UPDATE mpesa_inbox SET source_address = '203.0.113.9'")
    await paybill.settle()
    assert await paybill.balance() == 0
    assert await paybill.value("SELECT note FROM mpesa_inbox") == "strange address"


async def test_pull_is_registered_once_and_again(paybill: Office) -> None:
    for _ in range(2):
        await paybill.parts.registration.register_pull("test", "254712345678")
    with pytest.raises(DarajaRefused, match="no live"):
        await paybill.parts.registration.register_pull("live", "254712345678")


async def test_a_wrong_secret_in_the_path_is_nobodys(paybill: Office) -> None:
    path = paybill.paths.paybill("test", "confirmation")
    assert (await paybill.client.post(path.replace("paybill/", "paybill/0"), json={})).status_code == 404


async def test_the_two_channels_must_agree_on_the_amount(paybill: Office) -> None:
    ref = paybill.workspace.mpesa_account_ref
    await confirm(paybill, "QWE1234567", ref, "50.00")
    await confirm(paybill, "QWE1234567", ref, "5000.00")
    assert await paybill.balance() == 5_000
    assert await paybill.value("SELECT disputed_minor FROM mpesa_receipts") == 500_000


async def test_registering_other_urls_a_second_time_is_refused(paybill: Office) -> None:
    registered = paybill.mpesa.registration
    assert registered is not None
    assert "mpesa" not in registered.confirmation_url
    paybill.mpesa.registration = type(registered)("http://other", "http://other", "Completed", True)
    with pytest.raises(DarajaRefused, match="already registered"):
        await paybill.parts.registration.register("test")


def test_references_are_read_as_people_type_them() -> None:
    reference = topup_reference()
    assert read_reference(f" {reference[:5].lower()}-{reference[5:]} ") == TopUpReference(reference)
    assert read_reference("TOIBOIBOIB") == read_reference("T018018018")
    assert read_reference("1000 0012") == WorkspaceReference("10000012")
    assert read_reference("10000021") is None
    assert read_reference("ACC 10000012") is None
