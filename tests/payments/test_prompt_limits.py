"""Phones are protected across workspaces, and requests are read strictly."""

import asyncio

from payments.office import Office

PAYS, CANCELS = "+254712340001", "+254712340003"


async def test_one_prompt_a_phone_on_the_whole_platform(office: Office) -> None:
    answers = await asyncio.gather(*(office.ask(shillings=n) for n in range(1, 9)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] + [409] * 7
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"]["code"] == "topups.push_in_progress"


async def test_the_next_prompt_waits_a_minute_and_the_same_amount_two(office: Office) -> None:
    await office.top_up(PAYS, 10)
    soon = await office.ask(PAYS, 20)
    assert (soon.status_code, soon.headers["retry-after"]) == (429, "60")
    office.clock.advance(61)
    same = await office.ask(PAYS, 10)
    assert (same.status_code, same.headers["retry-after"]) == (429, "59")
    assert (await office.ask(PAYS, 20)).status_code == 201


async def test_five_unpaid_prompts_are_enough_for_a_day(office: Office) -> None:
    for _ in range(5):
        await office.top_up(CANCELS)
        office.clock.advance(121)
    refused = await office.ask(CANCELS)
    assert refused.json()["error"]["code"] == "topups.too_many_prompts"
    office.clock.advance(24 * 3600)
    assert (await office.ask(CANCELS)).status_code == 201


async def test_a_push_that_daraja_turned_down_costs_no_patience(office: Office) -> None:
    await office.top_up("+254712340013")
    assert (await office.ask("+254712340013")).status_code == 201


async def test_a_lost_push_frees_the_phone_after_ten_minutes(office: Office) -> None:
    await office.top_up("+254712340011")
    office.clock.advance(300)
    assert (await office.ask("+254712340011")).status_code == 409
    await office.later(minutes=6)
    assert (await office.ask("+254712340011")).status_code == 201


BAD = [
    ({"amount_minor": 99, "phone_e164": PAYS}, "/amount_minor"),
    ({"amount_minor": 150, "phone_e164": PAYS}, "/amount_minor"),
    ({"amount_minor": 25_000_100, "phone_e164": PAYS}, "/amount_minor"),
    ({"amount_minor": 100, "phone_e164": "+254202000000"}, "/phone_e164"),
    ({"amount_minor": 100, "phone_e164": "+256712345678"}, "/phone_e164"),
    ({"amount_minor": 100, "phone_e164": PAYS, "provider": "airtel"}, "/provider"),
    ({"amount_minor": 100, "phone_e164": PAYS, "currency": "USD"}, "/currency"),
]


async def test_bad_fields_are_named(office: Office) -> None:
    for body, pointer in BAD:
        answer = await office.client.post("/v1/topups", json=body)
        assert answer.status_code == 422
        assert [field["pointer"] for field in answer.json()["error"]["fields"]] == [pointer], body


async def test_the_same_key_asks_for_one_push(office: Office) -> None:
    answers = await asyncio.gather(*(office.ask(headers={"Idempotency-Key": "once"}) for _ in range(20)))
    made = {answer.json()["topup_id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    await office.settle()
    assert office.simulator.api.pushes_heard == 1


async def test_live_top_ups_are_refused_without_an_account_of_ones_own(office: Office) -> None:
    key = await office.platform.key(office.workspace.id, mode="live")
    answer = await office.ask(headers={"Authorization": f"Bearer {key.key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "topups.unavailable")


async def test_a_top_up_is_seen_by_its_own_workspace_alone(office: Office) -> None:
    topup_id = await office.top_up()
    other = await office.platform.workspace("Other", "other@example.co.ke")
    stranger = {"Authorization": f"Bearer {(await office.platform.key(other.id)).key}"}
    assert (await office.client.get(f"/v1/topups/{topup_id}", headers=stranger)).status_code == 404
    assert (await office.client.get("/v1/topups", headers=stranger)).json()["data"] == []
    mine = (await office.client.get("/v1/topups")).json()["data"]
    assert [topup["id"] for topup in mine] == [str(topup_id)]


async def test_top_ups_are_found_by_state_and_time(office: Office) -> None:
    topup_id = str(await office.top_up())

    async def listed(query: str) -> list[str]:
        return [topup["id"] for topup in (await office.client.get(f"/v1/topups?{query}")).json()["data"]]

    topup = (await office.client.get(f"/v1/topups/{topup_id}")).json()["topup"]
    states = [state for state in ("pending", "succeeded", "failed") if await listed(f"status={state}")]
    assert states == [topup["status"]]
    at = topup["created_at"]
    assert await listed(f"from={at}") == await listed(f"created_after={at}") == [topup_id]
    assert await listed(f"to={at}") == await listed(f"created_before={at}") == []
