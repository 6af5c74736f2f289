from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from sautikitd.events.models import Mode
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import build
from sautikitd.identity.principal import Principal, Scope
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.wallet.models import Cause, EntryType
from sautikitd.wallet.routes import WalletRoutes
from wallet.scenery import Money


class KeysByName:
    """The credential says what it may do: `live`, `test`, or `reader` for a key that may only read."""

    def __init__(self, workspace_id: UUID) -> None:
        self._workspace_id = workspace_id

    async def authenticate(self, credential: str, source_address: str) -> Principal:
        mode: Mode = "test" if credential == "test" else "live"
        scopes = {Scope.WALLET_READ} if credential == "reader" else {Scope.ALL}
        return Principal(id=uuid7(), workspace_id=self._workspace_id, mode=mode, scopes=frozenset(scopes))


async def ready() -> dict[str, str]:
    return {}


@pytest.fixture
async def api(money: Money) -> AsyncIterator[httpx.AsyncClient]:
    kernel = Kernel(
        database=money.database,
        authenticator=KeysByName(money.live.workspace_id),
        idempotency=Idempotency(SecretBox([bytes(32)])),
        limiter=RateLimiter(money.clock, per_second=1_000, burst=1_000),
        clock=money.clock,
        docs_base="https://sautikit.test",
    )
    routes = WalletRoutes(money.wallets, money.database)
    app = build(kernel, list(endpoints_of(routes)), public_url="https://api.test", ready=ready)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://api.test") as client:
        yield client


def key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


@pytest.mark.parametrize("path", ["/v1/wallet", "/v1/wallet/balance"])
async def test_the_balance_is_flat(api: httpx.AsyncClient, money: Money, path: str) -> None:
    answer = await api.get(path, headers=key("test"))
    assert answer.json() == {
        "workspace_id": str(money.live.workspace_id),
        "balance_minor": 100_000,
        "held_minor": 0,
        "available_minor": 100_000,
        "low_balance_threshold_minor": 10_000,
        "currency": "KES",
    }


async def test_statements_come_in_pages(api: httpx.AsyncClient, money: Money) -> None:
    for amount in (100, 200, 300):
        await money.top_up(amount)
    first = (await api.get("/v1/wallet/statements?limit=2", headers=key("live"))).json()
    rest = await api.get(
        "/v1/wallet/statements", params={"limit": 2, "cursor": first["next_cursor"]}, headers=key("live")
    )
    assert [entry["amount_minor"] for entry in first["data"] + rest.json()["data"]] == [300, 200, 100]
    assert rest.json()["next_cursor"] is None
    assert set(first["data"][0]) == {
        *(
            "id",
            "type",
            "amount_minor",
            "balance_after_minor",
            "currency",
            "description",
            "reference",
            "created_at",
        )
    }


async def test_statements_take_times_and_types(api: httpx.AsyncClient, money: Money) -> None:
    await money.top_up(100)
    seen = []
    for query in ("from=2026-11-23T09:00:00Z", "to=2026-11-23T09:00:00Z", "type=top_up", "type=call"):
        answer = await api.get(f"/v1/wallet/statements?{query}", headers=key("live"))
        seen.append(len(answer.json()["data"]))
    assert seen == [1, 0, 1, 0]
    refused = await api.get("/v1/wallet/statements?type=gift&until=1", headers=key("live"))
    assert refused.status_code == 422
    assert {problem["pointer"] for problem in refused.json()["error"]["fields"]} == {"?type", "?until"}


async def test_statements_stream_as_csv(api: httpx.AsyncClient, money: Money) -> None:
    await money.top_up(100)
    answer = await api.get("/v1/wallet/statements?format=csv", headers=key("live"))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(answer.text.splitlines()) == 2


async def test_the_threshold_is_changed_by_keys_that_may(api: httpx.AsyncClient) -> None:
    changed = await api.patch("/v1/wallet/threshold", json={"threshold_minor": 0}, headers=key("live"))
    assert changed.json()["low_balance_threshold_minor"] == 0
    denied = await api.patch("/v1/wallet/threshold", json={"threshold_minor": 0}, headers=key("reader"))
    assert denied.json()["error"]["code"] == "api_key.scope_denied"
    wrong = await api.patch("/v1/wallet/threshold", json={"threshold_minor": -1}, headers=key("live"))
    assert wrong.status_code == 422


async def test_only_a_test_key_refills(api: httpx.AsyncClient, money: Money) -> None:
    async with money.database.transaction() as connection:
        await money.wallets.adjust(connection, money.test, Cause(EntryType.ADJUSTMENT, "x"), -70_000, "Spent")
    refilled = await api.post("/v1/test/wallet/refill", headers=key("test"))
    assert refilled.json()["balance_minor"] == 100_000
    refused = await api.post("/v1/test/wallet/refill", headers=key("live"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "wallet.test_mode_only")


async def test_anybody_may_read_the_prices(api: httpx.AsyncClient) -> None:
    listed = (await api.get("/v1/public/pricing")).json()
    assert listed == {
        "currency": "KES",
        "number_monthly_minor": 10_000,
        "outbound_per_min_minor": 300,
        "inbound_per_min_minor": 0,
        "recording_free_gb": 5,
        "vat_basis_points": 1600,
        "rates": [
            {
                "direction": "outbound",
                "prefix": "254",
                "destination": "Kenya",
                "per_minute_minor": 300,
                "tax": "inclusive",
            },
            {
                "direction": "inbound",
                "prefix": "",
                "destination": "Any caller",
                "per_minute_minor": 0,
                "tax": "inclusive",
            },
        ],
        "updated_at": "2019-12-31T21:00:00.000Z",
    }
