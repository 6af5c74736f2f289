"""Low-balance alerts, from being asked to leaving."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from factories import Platform, advance, client
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.events.log import EventLog
from sautikitd.identity.workspaces import Workspace
from sautikitd.wallet.alerts.links import AlertLinks
from sautikitd.wallet.alerts.mails import AlertMails
from sautikitd.wallet.alerts.routes import AlertRoutes
from sautikitd.wallet.alerts.service import AlertSubscribers
from sautikitd.wallet.models import Account, Cause, EntryType
from sautikitd.wallet.service import Wallets

LINKS = AlertLinks(b"k" * 32, "https://api.sautikit.test")
PATH = "/v1/wallet/alert/subscribers"


@pytest.fixture
async def platform(database: Database) -> Platform:
    made = await Platform.on(database, ManualClock())
    made.wallets = Wallets(EventLog(), made.clock, AlertMails(made.clock, LINKS, "600100"))
    return made


@pytest.fixture
async def duka(platform: Platform) -> Workspace:
    return await platform.workspace()


@pytest.fixture
async def live(platform: Platform, duka: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    made = await platform.key(duka.id, "live")
    async with client(platform.application(AlertRoutes(AlertSubscribers(LINKS), LINKS)), made.key) as api:
        yield api


async def mails(database: Database) -> list[tuple[str, str, str | None]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT recipient, plain, unsubscribe_url FROM mails ORDER BY id")
    return [(row["recipient"], row["plain"], row["unsubscribe_url"]) for row in rows]


async def confirm_link(database: Database) -> str:
    found = re.search(r"https://\S+/alerts/confirm/\S+", (await mails(database))[-1][1])
    assert found
    return found[0]


async def spend(platform: Platform, workspace: Workspace, amount_minor: int, name: str) -> None:
    async with platform.database.transaction() as connection:
        cause = Cause(EntryType.ADJUSTMENT, name)
        account = Account(workspace.id, "live")
        await platform.wallets.adjust(connection, account, cause, -amount_minor, "spent")


async def test_nobody_hears_anything_before_he_agreed_and_everybody_once_a_crossing(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace, database: Database
) -> None:
    answer = await live.post(PATH, json={"email": "Accounts@example.co.ke"})
    assert answer.status_code == 201
    assert answer.json()["subscriber"]["status"] == "pending"
    again = await live.post(PATH, json={"email": "accounts@example.co.ke"})
    assert (again.status_code, again.json()) == (200, answer.json())
    assert [mail[0] for mail in await mails(database)] == ["Accounts@example.co.ke"]
    link = await confirm_link(database)
    await platform.top_up(duka.id, 30_000)
    await spend(platform, duka, 25_000, "one")
    assert [mail[0] for mail in await mails(database)][1:] == ["wanjiru@example.co.ke"]
    assert "business number: 600100" in (await mails(database))[-1][1]
    assert "<form" in (await live.get(link)).text
    assert (await live.get(PATH)).json()["data"][0]["status"] == "pending"
    assert "on the list" in (await live.post(link)).text
    assert (await live.get(PATH)).json()["data"][0]["status"] == "confirmed"
    await spend(platform, duka, 1_000, "two")
    assert len(await mails(database)) == 2
    await platform.top_up(duka.id, 30_000)
    await spend(platform, duka, 30_000, "three")
    assert [mail[0] for mail in await mails(database)][2:] == [
        "wanjiru@example.co.ke",
        "Accounts@example.co.ke",
    ]


async def test_one_click_unsubscribes_and_may_be_repeated(
    live: httpx.AsyncClient, platform: Platform, duka: Workspace, database: Database
) -> None:
    await live.post(PATH, json={"email": "a@example.co.ke"})
    await live.post(await confirm_link(database))
    await platform.top_up(duka.id, 30_000)
    await spend(platform, duka, 25_000, "one")
    away = (await mails(database))[-1][2]
    assert away
    assert (await live.get(away)).status_code == 200
    assert len((await live.get(PATH)).json()["data"]) == 1
    for _ in range(2):
        posted = await live.post(away, data={"List-Unsubscribe": "One-Click"})
        assert "off the list" in posted.text
    assert (await live.get(PATH)).json()["data"] == []


async def test_a_link_lapses_after_seven_days_and_asking_again_sends_another(
    live: httpx.AsyncClient, platform: Platform, database: Database
) -> None:
    await live.post(PATH, json={"email": "a@example.co.ke"})
    link = await confirm_link(database)
    advance(platform.clock, days=7)
    assert (await live.post(link)).status_code == 410
    assert (await live.get(PATH)).json()["data"] == []
    assert (await live.post(PATH, json={"email": "a@example.co.ke"})).status_code == 201
    assert len(await mails(database)) == 2


async def test_links_of_our_making_only(live: httpx.AsyncClient, database: Database) -> None:
    await live.post(PATH, json={"email": "a@example.co.ke"})
    link = await confirm_link(database)
    for wrong in (link[:-3] + "AAA", link.replace("confirm", "unsubscribe"), link + "é", link[:40]):
        assert (await live.post(wrong)).status_code in (404, 410)
    assert (await live.get(PATH)).json()["data"][0]["status"] == "pending"


async def test_there_are_at_most_twenty_and_any_can_be_removed(live: httpx.AsyncClient) -> None:
    made = [await live.post(PATH, json={"email": f"a{n}@example.co.ke"}) for n in range(20)]
    full = await live.post(PATH, json={"email": "one-more@example.co.ke"})
    assert (full.status_code, full.json()["error"]["code"]) == (409, "wallet.too_many_subscribers")
    gone = made[3].json()["subscriber"]["id"]
    assert (await live.delete(f"{PATH}/{gone}")).status_code == 204
    assert (await live.delete(f"{PATH}/{gone}")).status_code == 404
    assert (await live.post(PATH, json={"email": "one-more@example.co.ke"})).status_code == 201
    assert (await live.post(PATH, json={"email": "not an address"})).status_code == 422


async def test_they_are_listed_by_pages_newest_first(live: httpx.AsyncClient) -> None:
    for number in range(5):
        await live.post(PATH, json={"email": f"clerk{number}@example.co.ke"})
    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = (await live.get(PATH, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        pages.append([one["email"][5] for one in answer["data"]])
        cursor = answer["next_cursor"]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    assert (await live.get(PATH, params={"limit": 0})).status_code == 422
    assert (await live.get(PATH, params={"cursor": "x"})).status_code == 422
