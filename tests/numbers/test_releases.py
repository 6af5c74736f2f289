import asyncio

import httpx

from factories import Platform, advance
from sautikitd.events.log import EventLog
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.principal import Principal
from sautikitd.identity.workspaces import Workspace
from sautikitd.ids import uuid7
from sautikitd.mail.notices import OwnerNotices
from sautikitd.numbers.jobs import return_from_quarantine
from sautikitd.numbers.models import TRANSITIONS
from sautikitd.numbers.releases import NumberReleases

E164 = "+254205000001"


async def claim(api: httpx.AsyncClient, e164: str = E164) -> str:
    number_id: str = (await api.post("/v1/numbers/claim", json={"e164": e164})).json()["number"]["id"]
    return number_id


async def test_the_unused_days_come_back(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace
) -> None:
    number_id = await claim(live)
    advance(platform.clock, days=2)  # the 25th is the third day used of eight
    answer = (await live.delete(f"/v1/numbers/{number_id}")).json()
    net, vat = 2_667 - 1_000, 427 - 160
    assert answer["refund"] == {
        "net_minor": net,
        "vat_minor": vat,
        "total_minor": net + vat,
        "currency": "KES",
    }
    assert answer["number"]["status"] == "released"
    assert await platform.balance(duka.id) == 50_000 - 1_160


async def test_repeating_it_is_harmless(live: httpx.AsyncClient, platform: Platform, duka: Workspace) -> None:
    number_id = await claim(live)
    first = await asyncio.gather(*(live.delete(f"/v1/numbers/{number_id}") for _ in range(5)))
    advance(platform.clock, days=5)
    again = await live.delete(f"/v1/numbers/{number_id}")
    assert all(answer.json() == again.json() for answer in first)
    assert again.status_code == 200
    assert await platform.balance(duka.id) == 50_000 - 334 - 54
    async with platform.database.connection() as connection:
        kinds = await connection.fetch("SELECT kind, data FROM events WHERE kind LIKE 'number.%' ORDER BY id")
    assert [row["kind"] for row in kinds] == ["number.provisioned", "number.released"]
    assert kinds[1]["data"]["refund_minor"] == again.json()["refund"]["total_minor"]


async def test_the_owner_is_told_once_by_mail(platform: Platform, duka: Workspace) -> None:
    notices = OwnerNotices(platform.clock)
    releases = NumberReleases(platform.wallets, EventLog(), notices)
    number = await platform.number(duka.id)
    principal = Principal(id=uuid7(), workspace_id=duka.id, mode="test", scopes=frozenset("*"))
    for _ in range(2):
        async with platform.database.transaction() as connection:
            await releases.release(connection, principal, number.id, OPERATOR, platform.clock.now())
    async with platform.database.connection() as connection:
        (mail,) = await connection.fetch("SELECT subject, plain FROM mails")
    assert mail["subject"] == f"[Test] {number.e164} has been released"


async def test_on_the_last_day_and_after_nothing_comes_back(
    live: httpx.AsyncClient, platform: Platform
) -> None:
    last, late = await claim(live), await claim(live, "+254205000002")
    advance(platform.clock, days=7)
    assert (await live.delete(f"/v1/numbers/{last}")).json()["refund"]["total_minor"] == 0
    advance(platform.clock, days=10)
    assert (await live.delete(f"/v1/numbers/{late}")).json()["refund"]["total_minor"] == 0


async def test_a_live_number_rests_for_thirty_days(live: httpx.AsyncClient, platform: Platform) -> None:
    number_id = await claim(live)
    await live.delete(f"/v1/numbers/{number_id}")
    refused = await live.post("/v1/numbers/claim", json={"e164": E164})
    assert refused.json()["error"]["code"] == "numbers.already_claimed"
    for days, returned in ((29, 0), (1, 1), (0, 0)):
        advance(platform.clock, days=days)
        async with platform.database.transaction() as connection:
            assert await return_from_quarantine(connection, platform.clock.now()) == returned
    assert await claim(live) != number_id


async def test_a_test_number_is_free_at_once(trial: httpx.AsyncClient) -> None:
    number_id = await claim(trial, "+254200000001")
    await trial.delete(f"/v1/numbers/{number_id}")
    assert await claim(trial, "+254200000001") != number_id


async def test_a_released_number_is_read_but_not_routed(live: httpx.AsyncClient) -> None:
    number_id = await claim(live)
    await live.delete(f"/v1/numbers/{number_id}")
    assert (await live.get(f"/v1/numbers/{number_id}")).json()["number"]["status"] == "released"
    assert (await live.get("/v1/numbers")).json()["data"] == []
    assert len((await live.get("/v1/numbers?status=released")).json()["data"]) == 1
    refused = await live.patch(f"/v1/numbers/{number_id}/routing", json={"label": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "numbers.not_assigned")


async def test_a_number_of_another_workspace_is_not_found(
    live: httpx.AsyncClient, platform: Platform
) -> None:
    other = await platform.workspace("Kiosk", "otieno@example.co.ke")
    key = (await platform.key(other.id, "live")).key
    number_id = await claim(live)
    refused = await live.delete(f"/v1/numbers/{number_id}", headers={"Authorization": f"Bearer {key}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "numbers.not_found")


async def test_the_database_holds_the_same_edges_as_the_code(platform: Platform) -> None:
    async with platform.database.connection() as connection:
        rows = await connection.fetch("SELECT from_status, to_status FROM number_status_edges")
    edges = {(start, end) for start, ends in TRANSITIONS.items() for end in ends}
    assert {tuple(row) for row in rows} == edges
