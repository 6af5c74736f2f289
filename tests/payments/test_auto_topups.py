"""Top-ups that are offered of themselves: when, how often, and by the same rules as any other."""

import pytest

from payments.office import Office
from sautikitd.payments.auto_topups.service import AutoTopUps
from sautikitd.payments.service import TopUps

PAYS, CANCELS = "+254712340001", "+254712340003"
HEARS_NOTHING = "+254712340011"
URL = "/v1/wallet/auto-topup"


async def opt_in(office: Office, phone: str, *, shillings: int = 500, below: int = 1_200) -> None:
    """Below KES 1,200: a new test wallet holds KES 1,000."""
    wish = {"phone_e164": phone, "amount_minor": shillings * 100, "below_minor": below * 100}
    answer = await office.client.put(URL, json=wish)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def offers(office: Office) -> AutoTopUps:
    return AutoTopUps(TopUps(office.accounts, office.clock), office.database, office.clock)


async def test_it_is_set_read_and_ended(office: Office) -> None:
    assert (await office.client.get(URL)).json() == {"auto_topup": None}
    await opt_in(office, "0712340001")
    shown = (await office.client.get(URL)).json()["auto_topup"]
    assert (shown["phone_e164"], shown["amount_minor"], shown["below_minor"]) == (PAYS, 50_000, 120_000)
    assert (await office.client.delete(URL)).status_code == 204
    assert (await office.client.get(URL)).json() == {"auto_topup": None}


async def test_bad_settings_are_refused_by_field(office: Office) -> None:
    wish = {"phone_e164": "+254202000000", "amount_minor": 150, "below_minor": 0}
    answer = await office.client.put(URL, json=wish)
    assert answer.status_code == 422
    pointers = {field["pointer"] for field in answer.json()["error"]["fields"]}
    assert pointers <= {"/phone_e164", "/amount_minor", "/below_minor"}


async def test_nobody_is_asked_who_did_not_opt_in_or_has_enough(office: Office, offers: AutoTopUps) -> None:
    assert await offers.offer_due() == 0
    await opt_in(office, PAYS, below=1_000)
    assert await offers.offer_due() == 0


async def test_a_low_balance_is_topped_up_by_one_prompt_and_its_event(
    office: Office, offers: AutoTopUps
) -> None:
    await opt_in(office, PAYS)
    assert await offers.offer_due() == 1
    assert await offers.offer_due() == 0  # pending
    await office.settle()
    assert await office.balance() == 50_000
    assert [one["amount_minor"] for one in await office.events("wallet.top_up")] == [50_000]
    office.clock.advance(3600)
    assert await offers.offer_due() == 0
    assert office.simulator.api.pushes_heard == 1
    await office.require_right_books()


async def test_one_that_is_declined_waits_an_hour_and_a_day_has_three(
    office: Office, offers: AutoTopUps
) -> None:
    await opt_in(office, CANCELS)
    made = []
    for _ in range(10):
        made.append(await offers.offer_due())
        await office.settle()
        office.clock.advance(30 * 60 + 1)
    assert made == [1, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert len(await office.events("wallet.top_up_failed")) == 3
    office.clock.advance(24 * 3600)
    assert await offers.offer_due() == 1


async def test_one_whose_fate_nobody_knows_holds_the_next_up_for_an_hour(
    office: Office, offers: AutoTopUps
) -> None:
    lost = await office.top_up(HEARS_NOTHING, 10)
    await opt_in(office, PAYS)
    made = []
    for _ in range(5):
        made.append(await offers.offer_due())
        await office.settle()
        await office.later(minutes=15)
    assert (await office.read(lost))["status"] == "pending"
    assert made == [0, 0, 0, 0, 1]
    assert await office.balance() == 50_000


async def test_the_limits_of_prompts_hold_for_it_too(office: Office, offers: AutoTopUps) -> None:
    await office.top_up(PAYS, 10)
    await opt_in(office, PAYS)
    assert await offers.offer_due() == 0  # a minute between two prompts
    office.clock.advance(5 * 60)
    assert await offers.offer_due() == 1
