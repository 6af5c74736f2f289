"""What Daraja, or somebody who pretends to be, posts to us."""

import json
from typing import Any
from uuid import UUID

import pytest

from payments.office import Office
from sautikitd.clock import ManualClock
from sautikitd.payments.notices import read_stk

PHONE = "+254712340060"


async def pushed(office: Office, **behaviour: Any) -> tuple[UUID, str, str]:
    """A prompt that stays open: the top-up, its CheckoutRequestID, its callback address."""
    office.script(PHONE, person=True, **behaviour)
    answer = await office.ask(PHONE)
    await office.parts.pusher.work()
    topup_id = UUID(answer.json()["topup_id"])
    checkout = await office.value("SELECT checkout_request_id FROM topups WHERE id = $1", topup_id)
    return topup_id, checkout, office.paths.stk(topup_id)


def callback(
    checkout: str, code: Any = 0, amount: Any = 100.0, receipt: str = "NLJ7RT61SV"
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "MerchantRequestID": "1",
        "CheckoutRequestID": checkout,
        "ResultCode": code,
        "ResultDesc": "",
    }
    if code in (0, "0"):
        told["CallbackMetadata"] = {
            "Item": [
                {"Name": "Balance"},
                {"Name": "PhoneNumber", "Value": "2547 ***** 126"},
                {"Name": "MpesaReceiptNumber", "Value": receipt},
                {"Name": "Amount", "Value": amount},
            ]
        }
    return {"Body": {"stkCallback": told}}


async def post(office: Office, path: str, body: Any) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await office.client.post(path, content=raw, headers={"Content-Type": "application/json"})
    while await office.parts.inbox.work_one():
        pass
    return answer.status_code


async def test_a_callback_comes_any_number_of_times_in_any_order(office: Office) -> None:
    topup_id, checkout, path = await pushed(office)
    for body in (
        callback(checkout, 1032),
        callback(checkout),
        callback(checkout),
        callback(checkout, "1037"),
    ):
        assert await post(office, path, body) == 200
    shown = await office.read(topup_id)
    assert (shown["status"], shown["late"]) == ("succeeded", True)
    assert await office.balance() == 10_000
    assert len(await office.events("wallet.top_up")) == 1
    await office.require_right_books()


async def test_a_wrong_path_is_nobodys(office: Office) -> None:
    topup_id, checkout, path = await pushed(office)
    for forged in (
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path.replace(topup_id.hex, UUID(int=7).hex),
    ):
        assert await post(office, forged, callback(checkout)) == 404
    assert await office.value("SELECT count(*) FROM mpesa_inbox") == 0
    assert (await office.read(topup_id))["status"] == "pending"


async def test_a_strange_address_is_not_believed_and_the_query_decides(office: Office) -> None:
    topup_id, checkout, path = await pushed(office)
    await post(office, path, callback(checkout))
    assert (await office.read(topup_id))["status"] == "succeeded"
    other_phone = "+254712340061"
    office.script(other_phone, result="1032", callbacks=0)
    answer = await office.ask(other_phone)
    await office.parts.pusher.work()
    forged_id = UUID(answer.json()["topup_id"])
    async with office.database.connection() as connection:
        row = await connection.fetchrow("SELECT checkout_request_id FROM topups WHERE id = $1", forged_id)
    path = office.paths.stk(forged_id)
    await post_from_afar(office, path, callback(row["checkout_request_id"], receipt="FORGED0001"))
    await office.settle()
    shown = await office.read(forged_id)
    assert (shown["status"], shown["failure_code"]) == ("failed", "topup.cancelled")
    assert await office.value("SELECT count(*) FROM mpesa_receipts WHERE receipt = 'FORGED0001'") == 0


async def post_from_afar(office: Office, path: str, body: dict[str, Any]) -> None:
    """As if it had come from an address that is not Daraja's."""
    await office.client.post(path, json=body)
    async with office.database.connection() as connection:
        await connection.execute(
            "UPDATE mpesa_inbox SET source_address = '203.0.113.9' WHERE state = 'received'"
        )
    while await office.parts.inbox.work_one():
        pass


async def test_another_checkout_request_id_is_not_believed(office: Office) -> None:
    topup_id, _, path = await pushed(office)
    await post(office, path, callback("ws_CO_of_somebody_else"))
    assert (await office.read(topup_id))["status"] == "pending"
    assert await office.balance() == 0


async def test_a_checkout_request_id_of_another_top_up_is_not_believed(office: Office) -> None:
    """Of a push whose answer was lost no id is known to hold it against."""
    first_id, first, _ = await pushed(office)
    office.script("+254712340063", answer="lost", person=True)
    second_id = UUID((await office.ask("+254712340063")).json()["topup_id"])
    await office.parts.pusher.work()
    await post(office, office.paths.stk(second_id), callback(first))
    note = await office.value("SELECT note FROM mpesa_inbox WHERE topup_id = $1", second_id)
    assert note == "another top-up's CheckoutRequestID"
    for topup_id in (first_id, second_id):
        assert (await office.read(topup_id))["status"] == "pending"
    assert await office.balance() == 0


async def test_a_receipt_of_one_top_up_pays_no_other(office: Office) -> None:
    first_id, first, path = await pushed(office)
    await post(office, path, callback(first))
    office.script("+254712340062", person=True)
    second_id = UUID((await office.ask("+254712340062")).json()["topup_id"])
    await office.parts.pusher.work()
    checkout = await office.value("SELECT checkout_request_id FROM topups WHERE id = $1", second_id)
    await post(office, office.paths.stk(second_id), callback(checkout))
    assert (await office.read(first_id))["status"] == "succeeded"
    assert (await office.read(second_id))["status"] == "pending"
    assert await office.balance() == 10_000


async def test_a_callback_for_a_push_whose_answer_was_lost_tells_its_id(office: Office) -> None:
    office.script(PHONE, answer="lost", result="1032")
    topup_id = await office.top_up(PHONE)
    assert (await office.read(topup_id))["failure_code"] == "topup.cancelled"
    assert await office.value("SELECT checkout_request_id FROM topups WHERE id = $1", topup_id) is not None
    assert await office.value("SELECT push_state FROM topups WHERE id = $1", topup_id) == "unknown"


NONSENSE = [
    *(b"<html>", b"[]", b"{}", b'{"Body":{}}', b"\xff\x00", b""),
    b'{"Body":{"stkCallback":{"CallbackMetadata":[]}}}',
]


async def test_nonsense_is_acknowledged_kept_and_changes_nothing(office: Office) -> None:
    topup_id, _, path = await pushed(office)
    for body in NONSENSE:
        assert await post(office, path, body) == 200
    assert await office.value("SELECT count(*) FROM mpesa_inbox WHERE state = 'ignored'") == len(NONSENSE)
    assert (await office.read(topup_id))["status"] == "pending"


async def test_a_success_without_amount_or_receipt_is_left_to_the_query(office: Office) -> None:
    topup_id, checkout, path = await pushed(office)
    await post(office, path, {"Body": {"stkCallback": {"CheckoutRequestID": checkout, "ResultCode": "0"}}})
    assert (await office.read(topup_id))["status"] == "pending"


async def test_a_code_nobody_knows_stays_pending(office: Office) -> None:
    topup_id, checkout, path = await pushed(office)
    await post(office, path, callback(checkout, "SFC_IC9999"))
    assert (await office.read(topup_id))["status"] == "pending"


async def test_what_fails_to_be_worked_off_is_tried_again(office: Office) -> None:
    topup_id, checkout, path = await pushed(office)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(office.settlement, "receive", _broken)
        await post(office, path, callback(checkout))
    assert (await office.read(topup_id))["status"] == "pending"
    office.clock.advance(16)
    assert await office.parts.inbox.work_one()
    assert (await office.read(topup_id))["status"] == "succeeded"


async def _broken(*_: object) -> None:
    raise RuntimeError("a fault of ours")


async def test_raw_deliveries_are_kept_unreadable(office: Office) -> None:
    _, checkout, path = await pushed(office)
    await post(office, path, callback(checkout))
    kept = await office.value("SELECT body_encrypted FROM mpesa_inbox")
    assert b"MpesaReceiptNumber" not in kept


def test_numbers_may_be_strings_and_strings_numbers() -> None:
    told = callback("c", "0", "1.00")
    told["Body"]["stkCallback"]["CallbackMetadata"]["Item"].append(
        {"Name": "TransactionDate", "Value": 20191219102115}
    )
    notice = read_stk(json.dumps(told).encode())
    assert notice is not None
    assert (notice.result_code, notice.amount_minor, notice.receipt) == ("0", 100, "NLJ7RT61SV")
    assert notice.paid_at is not None
    assert notice.paid_at.utcoffset() == ManualClock().now().astimezone(notice.paid_at.tzinfo).utcoffset()
