import asyncio

import httpx
import pytest

from factories import Platform, advance, client
from sautikitd.identity.workspaces import Workspace

E164 = "+254205000001"


async def claim(api: httpx.AsyncClient, **wish: object) -> httpx.Response:
    return await api.post("/v1/numbers/claim", json=wish)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_claimed_number_is_paid_for_to_the_end_of_the_month(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    answer = await claim(
        live, e164="020 500 0001", voice_callback_url="https://shop.example/voice", label="Shop"
    )
    number = answer.json()["number"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/numbers/{number['id']}"
    assert (number["e164"], number["status"], number["paid_through"]) == (E164, "active", "2026-11-30")
    assert (number["voice_callback_url"], number["label"]) == ("https://shop.example/voice", "Shop")
    net, vat = 2_667, 427  # ceil(10,000 × 8 / 30), ceil(2,667 × 16 %)
    assert await platform.balance(duka.id) == 50_000 - net - vat
    read = await live.get(f"/v1/numbers/{number['id']}")
    assert read.json()["number"] == number


async def test_prices_say_what_vat_does_to_them(live: httpx.AsyncClient) -> None:
    number = (await claim(live, e164=E164)).json()["number"]
    prices = {name: number[name] for name in number if name.endswith("_minor")}
    assert prices == {
        "monthly_price_minor": 10_000,
        "inbound_per_min_minor": 0,
        "outbound_per_min_minor": 300,
        "due_minor": 0,
    }
    assert number["tax"] == {
        "name": "VAT",
        "basis_points": 1600,
        "monthly_price": {"treatment": "exclusive", "gross_minor": 11_600},
        "inbound_per_min": {"treatment": "inclusive", "gross_minor": 0},
        "outbound_per_min": {"treatment": "inclusive", "gross_minor": 300},
    }


async def test_a_claim_writes_its_event_its_audit_and_its_entry(
    live: httpx.AsyncClient, platform: Platform
) -> None:
    number = (await claim(live, e164=E164)).json()["number"]
    async with platform.database.connection() as connection:
        events = await connection.fetch("SELECT kind, data FROM events WHERE number_id IS NOT NULL")
        entries = await connection.fetch(
            "SELECT cause_id, reference, number_id, tax_basis_points FROM ledger_transactions"
            " WHERE cause_kind = 'rental'"
        )
    [event] = events
    assert (event["kind"], event["data"]["number"]) == ("number.provisioned", number)
    assert event["data"]["charge_minor"] == 3_094
    assert [(row["cause_id"], row["tax_basis_points"]) for row in entries] == [
        (f"{number['id']}/2026-11", 1600)
    ]
    audit = (await live.get("/v1/audit-log")).json()["data"]
    assert (audit[0]["action"], audit[0]["target"]) == ("number.claim", number["id"])


async def test_a_short_wallet_changes_nothing(live: httpx.AsyncClient, platform: Platform) -> None:
    poor = await platform.workspace("Kiosk", "otieno@example.co.ke")
    key = (await platform.key(poor.id, "live")).key
    refused = await live.post(
        "/v1/numbers/claim", json={"e164": E164}, headers={"Authorization": f"Bearer {key}"}
    )
    assert code_of(refused) == (402, "wallet.insufficient_funds")
    async with platform.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM events WHERE kind LIKE 'number.%'") == 0
    assert (await claim(live, e164=E164)).status_code == 201


async def test_of_two_workspaces_that_race_one_wins(platform: Platform, live: httpx.AsyncClient) -> None:
    keys = []
    for name in ("a", "b", "c", "d"):
        other = await platform.workspace(name, f"{name}@example.co.ke")
        await platform.top_up(other.id, 10_000)
        keys.append((await platform.key(other.id, "live")).key)
    answers = await asyncio.gather(
        *(
            live.post("/v1/numbers/claim", json={"e164": E164}, headers={"Authorization": f"Bearer {key}"})
            for key in keys
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {code_of(answer)[1] for answer in answers if answer.status_code == 409} == {
        "numbers.already_claimed"
    }


async def test_racing_for_any_number_of_an_area_gives_each_his_own(live: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(claim(live, area_code="020") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["number"]["e164"] for answer in answers}) == 3
    assert code_of(await claim(live, area_code="020")) == (409, "numbers.none_available")


async def test_test_numbers_are_every_workspaces_own(trial: httpx.AsyncClient, platform: Platform) -> None:
    other = await platform.workspace("Kiosk", "otieno@example.co.ke")
    assert (await claim(trial, e164="+254200000001")).status_code == 201
    assert code_of(await claim(trial, e164="+254200000001")) == (409, "numbers.already_claimed")
    async with client(platform.application(), (await platform.key(other.id)).key) as theirs:
        assert (await claim(theirs, e164="+254200000001")).status_code == 201


async def test_racing_for_test_numbers_gives_each_his_own(trial: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(claim(trial, area_code="020") for _ in range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["number"]["e164"] for answer in answers}) == 8


@pytest.mark.parametrize("field", ["number", "e164"])
async def test_the_older_spelling_is_taken(trial: httpx.AsyncClient, field: str) -> None:
    answer = await claim(trial, **{field: "+254200000002", "callback_url": "https://shop.example/voice"})
    assert answer.json()["number"]["voice_callback_url"] == "https://shop.example/voice"


async def test_a_number_is_claimed_by_its_inventory_id(trial: httpx.AsyncClient) -> None:
    first = (await trial.get("/v1/numbers/available?limit=1")).json()["data"][0]
    claimed = await claim(trial, inventory_id=first["inventory_id"])
    assert claimed.json()["number"]["e164"] == first["e164"] == "+254200000001"


@pytest.mark.parametrize(
    ("wish", "pointers"),
    [
        ({}, ["/e164"]),
        ({"e164": "+254200000001", "area_code": "020"}, ["/area_code"]),
        ({"e164": "O712345678", "label": "a\nb"}, ["/e164", "/label"]),
        ({"area_code": "20"}, ["/area_code"]),
        ({"e164": "+254205000001", "events_url": "ftp://shop.example"}, ["/events_url"]),
        ({"e164": "+254205000001", "voice_callback_url": "http://shop.example"}, ["/voice_callback_url"]),
        ({"e164": "+254205000001", "voice_callback_url": "https://127.0.0.1/"}, ["/voice_callback_url"]),
        ({"e164": "+254205000001", "voice_calback_url": "https://shop.example"}, ["/voice_calback_url"]),
    ],
)
async def test_bad_fields_are_told(
    live: httpx.AsyncClient, wish: dict[str, object], pointers: list[str]
) -> None:
    refused = await claim(live, **wish)
    assert code_of(refused) == (422, "request.invalid")
    assert [problem["pointer"] for problem in refused.json()["error"]["fields"]] == pointers


async def test_a_number_not_in_inventory_is_not_found(live: httpx.AsyncClient) -> None:
    assert code_of(await claim(live, e164="+254712345678")) == (404, "numbers.not_found")
    assert code_of(await claim(live, e164="+254200000001")) == (404, "numbers.not_found")


async def test_a_suspended_workspace_claims_nothing_but_reads(
    trial: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    async with platform.database.connection() as connection:
        await connection.execute("UPDATE workspaces SET suspended_at = now() WHERE id = $1", duka.id)
    assert code_of(await claim(trial, area_code="020")) == (403, "account.suspended")
    assert (await trial.get("/v1/numbers")).status_code == 200


async def test_a_key_limited_to_numbers_sees_and_touches_only_those(
    trial: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    mine = await platform.number(duka.id, "+254200000001")
    other = await platform.number(duka.id, "+254200000002")
    limited = await platform.key(duka.id, number_ids=frozenset({mine.id}))
    async with client(platform.application(), limited.key) as api:
        listed = (await api.get("/v1/numbers")).json()["data"]
        assert [number["id"] for number in listed] == [str(mine.id)]
        assert code_of(await api.get(f"/v1/numbers/{other.id}")) == (404, "numbers.not_found")
        assert code_of(await api.delete(f"/v1/numbers/{other.id}")) == (404, "numbers.not_found")
        assert code_of(await claim(api, area_code="020")) == (403, "api_key.number_denied")


async def test_a_claim_just_before_midnight_in_nairobi_is_todays(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    advance(platform.clock, days=7, hours=11, minutes=59)  # 30 November, 23:59 in Nairobi
    assert (await claim(live, e164=E164)).json()["number"]["paid_through"] == "2026-11-30"
    assert await platform.balance(duka.id) == 50_000 - 334 - 54
    advance(platform.clock, minutes=1)
    assert (await claim(live, e164="+254205000002")).json()["number"]["paid_through"] == "2026-12-31"
    assert await platform.balance(duka.id) == 50_000 - 334 - 54 - 11_600
