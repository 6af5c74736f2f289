"""The simulated Daraja as a client meets it: its endpoints, its control and its page."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sautikitd.clock import ManualClock
from sautikitd.payments import accounts
from sautikitd.settings import Address
from sautikitd.simulators.daraja.behaviours import BY_AMOUNT, BY_PHONE, behaviour_of
from sautikitd.simulators.daraja.mpesa import SimulatedMpesa
from sautikitd.simulators.daraja.server import serving

ACCOUNT = accounts.test_account(Address("127.0.0.1", 1), Address("127.0.0.1", 9))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    mpesa = SimulatedMpesa(ManualClock(), ACCOUNT.shortcode, think_s=0, late_s=0)
    async with (
        serving(mpesa, ACCOUNT, ("127.0.0.1", 0)) as simulator,
        httpx.AsyncClient(base_url=f"http://{simulator.host}:{simulator.port}") as client,
    ):
        yield client


async def token(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.get(
        "/oauth/v1/generate",
        params={"grant_type": "client_credentials"},
        headers={"Authorization": ACCOUNT.basic},
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def push(phone: str = "254712340000", **changed: Any) -> dict[str, Any]:
    password = base64.b64encode(f"{ACCOUNT.shortcode}{ACCOUNT.passkey}20261123120000".encode()).decode()
    body = {
        "BusinessShortCode": ACCOUNT.shortcode,
        "Password": password,
        "Timestamp": "20261123120000",
        "Amount": 250,
        "PhoneNumber": phone,
        "CallBackURL": "http://127.0.0.1:9/",
        "AccountReference": "TABCDEFGH2",
    }
    return body | changed


PUSH = "/mpesa/stkpush/v1/processrequest"


async def test_a_new_token_kills_the_old_one(client: httpx.AsyncClient) -> None:
    first, second = await token(client), await token(client)
    refused = await client.post(PUSH, json=push(), headers=first)
    assert (refused.status_code, refused.json()["errorCode"]) == (404, "404.001.03")
    assert (await client.post(PUSH, json=push(), headers=second)).json()["ResponseCode"] == "0"


async def test_wrong_credentials_get_an_empty_400(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/oauth/v1/generate?grant_type=client_credentials", headers={"Authorization": "Basic x"}
    )
    assert (answer.status_code, answer.content) == (400, b"")


@pytest.mark.parametrize(
    "changed",
    [{"BusinessShortCode": "1"}, {"PhoneNumber": "0712"}, {"Amount": "1.5"}, {"AccountReference": "T" * 13}],
)
async def test_bad_fields_are_refused(client: httpx.AsyncClient, changed: dict[str, Any]) -> None:
    answer = await client.post(PUSH, json=push(**changed), headers=await token(client))
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "400.002.02")


async def test_one_prompt_a_phone(client: httpx.AsyncClient) -> None:
    headers = await token(client)
    await client.post(PUSH, json=push(), headers=headers)
    second = await client.post(PUSH, json=push(), headers=headers)
    assert (second.status_code, second.json()["errorCode"]) == (500, "500.001.1001")


async def test_the_page_shows_the_prompt_and_takes_the_pin(client: httpx.AsyncClient) -> None:
    await client.post(PUSH, json=push(), headers=await token(client))
    page = await client.get("/phones/254712340000")
    assert "Enter M-PESA PIN" in page.text
    assert "KES 250" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    paid = await client.post("/phones/254712340000/pin", data={"pin": "1234"}, follow_redirects=True)
    payments = (await client.get("/control/payments")).json()["payments"]
    assert [(p["shillings"], p["reference"]) for p in payments] == [(250, "TABCDEFGH2")]
    assert payments[0]["receipt"] in paid.text


async def test_the_page_learns_that_something_happened(client: httpx.AsyncClient) -> None:
    page, before = await client.get("/"), (await client.get("/version")).text
    assert f'data-version="{before}"' in page.text
    assert (await client.get("/version")).text == before
    await client.post(PUSH, json=push(), headers=await token(client))
    assert (await client.get("/version")).text != before
    for asset in ("/phone.js", "/phone.css"):
        assert (await client.get(asset)).status_code == 200


async def test_no_other_site_can_answer_a_prompt(client: httpx.AsyncClient) -> None:
    await client.post(PUSH, json=push(), headers=await token(client))
    theirs = {"Origin": "https://evil.example"}
    answer = await client.post("/phones/254712340000/pin", data={"pin": "1234"}, headers=theirs)
    assert answer.status_code == 403
    assert (await client.get("/control/payments")).json()["payments"] == []


async def test_what_people_type_is_shown_as_text(client: httpx.AsyncClient) -> None:
    form = {"reference": "<script>x", "shillings": "5"}
    await client.post("/phones/254712340000/paybill", data=form)
    assert "&lt;script&gt;x" in (await client.get("/")).text


async def test_a_script_decides_before_the_tables(client: httpx.AsyncClient) -> None:
    script = {"phone": "254712340001", "behaviour": {"answer": "spike", "taken": False}}
    assert (await client.post("/control/scripts", json=script)).status_code == 204
    answer = await client.post(PUSH, json=push("254712340001"), headers=await token(client))
    assert answer.json()["errorCode"] == "500.003.02"
    assert (await client.post("/control/scripts", json={"phone": 1})).status_code == 422
    assert (await client.post("/control/scripts", content="{}")).status_code == 415


async def test_pull_tells_of_what_was_paid_in_a_window(client: httpx.AsyncClient) -> None:
    paid = await client.post(
        "/control/paybill", json={"phone": "254711000111", "shillings": 9, "reference": "rent"}
    )
    assert paid.status_code == 201
    headers = await token(client)
    window = {"ShortCode": "600100", "StartDate": "2026-11-23 11:00:00", "EndDate": "2026-11-23 13:00:00"}
    told = (await client.post("/pulltransactions/v1/query", json=window, headers=headers)).json()
    assert [(row["billreference"], row["amount"]) for row in told["Response"][0]] == [("rent", "9.0")]
    earlier = window | {"EndDate": "2026-11-23 11:30:00"}
    none = (await client.post("/pulltransactions/v1/query", json=earlier, headers=headers)).json()
    assert none["ResponseCode"] == "1001"


def test_phones_go_before_amounts_and_all_others_pay() -> None:
    assert behaviour_of("254712340002", 1032).result == "2001"
    assert behaviour_of("254712345678", 1032).result == "1032"
    assert behaviour_of("254712345678", 100).result == "0"
    assert all(listed.words for listed in (*BY_PHONE.values(), *BY_AMOUNT.values()))
