"""A large success is credited when a query agrees with the callback, and not before."""

from payments.office import Office
from payments.test_callbacks import callback, post, pushed

PHONE = "+254712340070"
LIMIT = 10_000  # shillings


async def test_a_payment_above_the_limit_is_credited_after_a_query(office: Office) -> None:
    topup_id = await office.top_up(PHONE, LIMIT + 1)
    shown = await office.read(topup_id)
    assert (shown["status"], await office.balance()) == ("succeeded", (LIMIT + 1) * 100)
    assert [prompt.queries for prompt in office.mpesa.prompts.values()] == [1]
    assert await office.value("SELECT receipt FROM topups") == office.mpesa.paid[0].receipt
    await office.require_right_books()


async def test_a_payment_at_the_limit_is_credited_at_once(office: Office) -> None:
    await office.top_up(PHONE, LIMIT)
    assert await office.balance() == LIMIT * 100
    assert [prompt.queries for prompt in office.mpesa.prompts.values()] == [0]


async def test_the_credit_waits_until_the_query_answers(office: Office) -> None:
    office.script(PHONE, query_faults=1)
    topup_id = await office.top_up(PHONE, LIMIT + 1)
    assert (await office.read(topup_id))["status"] == "pending"
    assert await office.balance() == 0
    await office.later(minutes=2)
    assert await office.balance() == (LIMIT + 1) * 100
    assert await office.value("SELECT state FROM mpesa_inbox") == "processed"
    await office.later(minutes=20)
    assert await office.balance() == (LIMIT + 1) * 100
    await office.require_right_books()


async def test_a_large_callback_that_no_query_confirms_is_given_up(office: Office) -> None:
    _, checkout, path = await pushed(office)
    await post(office, path, callback(checkout, amount=LIMIT + 1.0))
    for _ in range(12):
        office.clock.advance(11 * 60)
        await office.parts.inbox.work_one()
    assert await office.value("SELECT state FROM mpesa_inbox") == "given_up"
    assert (await office.balance(), await office.value("SELECT count(*) FROM mpesa_receipts")) == (0, 0)
