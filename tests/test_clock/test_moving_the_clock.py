"""The clock of test mode, moved over HTTP: months of a number's life in one request."""

from collections.abc import AsyncIterator

import httpx
import pytest

from factories import Platform, client
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.events.log import EventLog
from sautikitd.identity.workspaces import Workspace
from sautikitd.numbers.renewals import RentalRenewals
from sautikitd.test_clock import clocks, routes
from sautikitd.wallet.routes import WalletRoutes

DAY = 86_400


@pytest.fixture
async def platform(database: Database) -> Platform:
    return await Platform.on(database, ManualClock())


@pytest.fixture
async def duka(platform: Platform) -> Workspace:
    return await platform.workspace()


@pytest.fixture
async def trial(platform: Platform, duka: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    renewals = RentalRenewals(platform.wallets, EventLog(), platform.releases, platform.clock)
    authenticator = platform.authenticator()
    platform.authenticator = lambda: authenticator  # type: ignore[method-assign]  # the one the application uses
    moving = clocks.TestClocks(platform.clock, renewals)
    clock = routes.TestClockRoutes(moving, authenticator.forget_workspace)
    app = platform.application(clock, WalletRoutes(platform.wallets, platform.database))
    made = await platform.key(duka.id)
    async with client(app, made.key) as api:
        yield api


async def move(api: httpx.AsyncClient, days: int) -> httpx.Response:
    return await api.post("/v1/test/clock", json={"advance_seconds": days * DAY})


async def kinds(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT kind FROM events WHERE kind LIKE 'number.%' ORDER BY id")
    return [row["kind"].removeprefix("number.") for row in rows]


async def test_a_year_shows_every_renewal_and_the_end_of_the_money(
    trial: httpx.AsyncClient, database: Database
) -> None:
    claimed = await trial.post("/v1/numbers/claim", json={"e164": "+254200000001"})
    number_id = claimed.json()["number"]["id"]
    answer = await move(trial, 365)
    assert answer.json()["now"] == "2027-11-23T09:00:00.000Z"
    # KES 1,000 less 30.94 pays eight months of KES 116; the ninth falls due on the 1st of August.
    # What is left then pays the last days of August from suspension, and nothing of September.
    unpaid = ["past_due", "suspended"]
    assert await kinds(database) == [
        "provisioned",
        *["renewed"] * 8,
        *unpaid,
        "renewed",
        *unpaid,
        "released",
    ]
    assert (await trial.get(f"/v1/numbers/{number_id}")).json()["number"]["status"] == "released"


async def test_what_the_wallet_tells_is_of_the_moved_clock_too(
    trial: httpx.AsyncClient, database: Database
) -> None:
    await trial.post("/v1/numbers/claim", json={"e164": "+254200000001"})
    await trial.patch("/v1/wallet/threshold", json={"threshold_minor": 90_000})
    await move(trial, 8)  # midnight in Nairobi takes KES 116: below the threshold
    await trial.patch("/v1/wallet/threshold", json={"threshold_minor": 50_000})
    await move(trial, 2)
    await trial.patch("/v1/wallet/threshold", json={"threshold_minor": 99_000})
    async with database.connection() as connection:
        told = await connection.fetch(
            "SELECT occurred_at::text FROM events WHERE kind = 'wallet.low_balance' ORDER BY id"
        )
    assert [row["occurred_at"] for row in told] == ["2026-11-30 21:00:00+00", "2026-12-03 09:00:00+00"]


async def test_each_day_of_the_fall_can_be_looked_at(trial: httpx.AsyncClient, database: Database) -> None:
    await trial.post("/v1/numbers/claim", json={"e164": "+254200000001"})
    await move(trial, 8 + 31 + 31 + 28 + 31 + 30 + 31 + 30 + 31)  # to the 1st of August
    listed = (await trial.get("/v1/numbers")).json()["data"][0]
    assert (listed["status"], listed["due_minor"], listed["past_due_since"]) == (
        "past_due",
        11_600,
        "2027-08-01",
    )
    await move(trial, 7)
    listed = (await trial.get("/v1/numbers")).json()["data"][0]
    assert (listed["status"], listed["due_minor"]) == ("suspended", 7_742 + 1_239)


async def test_what_is_claimed_later_is_paid_by_the_moved_clock(trial: httpx.AsyncClient) -> None:
    await move(trial, 10)
    claimed = await trial.post("/v1/numbers/claim", json={"e164": "+254200000001"})
    assert claimed.json()["number"]["paid_through"] == "2026-12-31"


async def test_it_only_goes_forward_and_not_for_ever(trial: httpx.AsyncClient) -> None:
    back = await trial.post("/v1/test/clock", json={"to": "2026-11-01T00:00:00Z"})
    assert (back.status_code, back.json()["error"]["code"]) == (409, "test_clock.only_forward")
    assert (await move(trial, 401)).status_code == 422
    for _ in range(4):
        assert (await move(trial, 400)).status_code == 200
    assert (await move(trial, 400)).json()["error"]["code"] == "test_clock.too_far"
    assert (await trial.get("/v1/test/clock")).json()["ahead_seconds"] == 1_600 * DAY


async def test_live_mode_has_no_such_clock(
    platform: Platform, duka: Workspace, trial: httpx.AsyncClient
) -> None:
    live = await platform.key(duka.id, "live")
    answer = await trial.get("/v1/test/clock", headers={"Authorization": f"Bearer {live.key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "test_clock.test_mode_only")


async def test_a_key_expires_by_the_moved_clock(trial: httpx.AsyncClient) -> None:
    body = {"name": "for a week", "scopes": ["numbers.read"], "expires_at": "2026-12-01T00:00:00Z"}
    made = (await trial.post("/v1/api-keys", json=body)).json()
    short = {"Authorization": f"Bearer {made['key']}"}
    assert (await trial.get("/v1/me", headers=short)).status_code == 200
    await move(trial, 8)
    answer = await trial.get("/v1/me", headers=short)
    assert answer.json()["error"]["code"] == "api_key.expired"
