"""The way of a push: from `POST /v1/topups` over the simulated phone to the wallet, with every fault there is."""

from payments.office import Office
from sautikitd.payments.result_codes import WORDS, FailureCode, meaning_of
from sautikitd.simulators.daraja.behaviours import BY_AMOUNT, BY_PHONE


def phone(digits: str) -> str:
    return f"+25471234{digits}"


async def test_a_paid_prompt_fills_the_wallet_once(office: Office) -> None:
    topup_id = await office.top_up(shillings=250)
    shown = await office.read(topup_id)
    assert (shown["status"], shown["failure_code"], shown["late"]) == ("succeeded", None, False)
    assert shown["provider_reference"] == office.mpesa.paid[0].receipt
    assert await office.balance() == 25_000
    told = await office.events("wallet.top_up")
    assert [(event["topup_id"], event["new_balance_minor"]) for event in told] == [(str(topup_id), 125_000)]
    await office.require_right_books()


async def test_the_answer_has_the_shape_of_the_contract(office: Office) -> None:
    answer = await office.ask()
    body = answer.json()
    assert answer.headers["location"] == f"/v1/topups/{body['topup_id']}"
    assert (answer.status_code, body["status"]) == (201, "pending")
    assert body["mpesa_account_ref"] == office.workspace.mpesa_account_ref
    assert body["topup"]["phone_e164"] == "+254712340001"
    assert body["topup"]["reference"].startswith("T")
    assert len(body["topup"]["reference"]) == 10


PAYS = ["0001", "0006", "0007", "0008", "0009", "0010", "0015", "0017", "0018", "0019"]


async def test_money_that_was_paid_is_credited_once_whatever_goes_wrong(office: Office) -> None:
    asked = {digits: await office.top_up(phone(digits)) for digits in PAYS}
    await office.later(seconds=30)
    await office.later(minutes=20)
    receipts = {paid.phone: paid.receipt for paid in office.mpesa.paid}
    for digits, topup_id in asked.items():
        shown = await office.read(topup_id)
        said = (shown["status"], shown["provider_reference"])
        assert said == ("succeeded", receipts[phone(digits)[1:]]), BY_PHONE[digits].words
    assert await office.balance() == 10_000 * len(PAYS)
    assert len(await office.events("wallet.top_up")) == len(PAYS)
    assert office.simulator.api.pushes_heard == len(PAYS)
    await office.require_right_books()


FAILS = {
    "0002": FailureCode.WRONG_PIN,
    "0003": FailureCode.CANCELLED,
    "0004": FailureCode.NO_ANSWER,
    "0005": FailureCode.INSUFFICIENT_BALANCE,
    "0012": FailureCode.PHONE_BUSY,
    "0013": FailureCode.PROVIDER_BUSY,
}


async def test_a_failure_says_why_and_what_to_do(office: Office) -> None:
    for digits, code in FAILS.items():
        shown, words = await office.read(await office.top_up(phone(digits))), WORDS[code]
        assert (shown["status"], shown["failure_code"]) == ("failed", code), BY_PHONE[digits].words
        assert (shown["failure_reason"], shown["advice"]) == (words.reason, words.advice)
    told = await office.events("wallet.top_up_failed")
    assert [(event["failure_code"], event["advice"]) for event in told] == [
        (code, WORDS[code].advice) for code in FAILS.values()
    ]
    assert await office.balance() == 0
    await office.require_right_books()


async def test_every_code_by_amount_ends_the_top_up(office: Office) -> None:
    asked = {n: await office.top_up(f"+25471234{n + 1000:04d}", n) for n in BY_AMOUNT if n < 9000}
    await office.later(seconds=30)
    found = {n: (await office.read(topup_id))["failure_code"] for n, topup_id in asked.items()}
    assert found == {n: meaning_of(str(n)).failure for n in asked}


async def test_money_after_a_failure_is_credited_as_late(office: Office) -> None:
    office.mpesa.late_s = 0.3
    answer = await office.ask(phone("0014"))
    topup_id = answer.json()["topup_id"]
    await office.settle()
    shown = await office.read(topup_id)
    assert (shown["status"], shown["late"]) == ("succeeded", True)
    assert [event["late"] for event in await office.events("wallet.top_up")] == [True]
    assert len(await office.events("wallet.top_up_failed")) == 1
    assert await office.balance() == 10_000
    await office.require_right_books()


async def test_a_different_amount_credits_nothing_and_opens_a_case(office: Office) -> None:
    topup_id = await office.top_up(phone("0016"))
    await office.later(minutes=20)
    assert (await office.read(topup_id))["failure_code"] == FailureCode.AMOUNT_MISMATCH
    assert await office.balance() == 0
    case = await office.value("SELECT (amount_minor, reason, topup_id) FROM suspense_cases")
    assert case == (10_100, "amount_differs", topup_id)
    await office.require_right_books()


async def test_a_query_alone_can_credit_and_the_receipt_is_attached_later(office: Office) -> None:
    topup_id = await office.top_up(phone("0007"))
    assert (await office.read(topup_id))["status"] == "pending"
    office.clock.advance(30)
    await office.settle()
    shown = await office.read(topup_id)
    assert (shown["status"], shown["provider_reference"]) == ("succeeded", None)
    await office.later(minutes=16)
    assert (await office.read(topup_id))["provider_reference"] == office.mpesa.paid[0].receipt
    assert await office.balance() == 10_000
    await office.require_right_books()


async def test_a_different_amount_after_a_query_credited_puts_the_difference_in_suspense(
    office: Office,
) -> None:
    office.script(phone("0050"), callbacks=0, extra_shillings=3)
    await office.top_up(phone("0050"))
    office.clock.advance(30)
    await office.settle()
    await office.later(minutes=16)
    assert await office.balance() == 10_000
    assert await office.value("SELECT (amount_minor, reason) FROM suspense_cases") == (300, "difference")
    await office.require_right_books()


async def test_what_nobody_tells_of_fails_after_48_hours_of_pulls_and_not_before(office: Office) -> None:
    await office.parts.sweeps.work()
    topup_id = await office.top_up(phone("0011"))
    for _ in range(47):
        await office.later(hours=1)
    assert (await office.read(topup_id))["status"] == "pending"
    await office.later(hours=1)
    await office.later(hours=1)
    shown = await office.read(topup_id)
    assert (shown["status"], shown["failure_code"]) == ("failed", FailureCode.UNCONFIRMED)


async def test_without_pulls_nothing_is_given_up(office: Office) -> None:
    topup_id = await office.top_up(phone("0011"))
    office.clock.advance(100 * 3600)
    assert await office.parts.reconciler.give_up() == 0
    assert (await office.read(topup_id))["status"] == "pending"


async def test_a_person_on_the_page_pays_with_the_pin(office: Office) -> None:
    answer = await office.ask(phone("0000"))
    await office.parts.pusher.work()
    await office.mpesa.enter_pin("254712340000", "1234")
    while not await office.parts.inbox.work_one():
        pass
    assert (await office.read(answer.json()["topup_id"]))["status"] == "succeeded"
