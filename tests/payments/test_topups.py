"""The way of a push: from `POST /v1/topups` over the simulated phone to the wallet."""

from payments.office import Office


async def test_a_paid_prompt_fills_the_wallet_once(office: Office) -> None:
    topup_id = await office.top_up(shillings=250)
    shown = await office.read(topup_id)
    assert (shown["status"], shown["failure_code"], shown["late"]) == ("succeeded", None, False)
    assert shown["provider_reference"] == office.mpesa.paid[0].receipt
    assert await office.balance() == 25_000
    told = await office.events("wallet.top_up")
    assert [(event["topup_id"], event["new_balance_minor"]) for event in told] == [(str(topup_id), 125_000)]
    await office.require_right_books()
