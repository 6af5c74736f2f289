"""Caps and the alarm, as calls meet them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from calls.scenery import Scene
from factories import advance, client
from sautikitd.calls.lifecycle import CallLifecycle, Covered
from sautikitd.calls.outcomes import HangupCause
from sautikitd.calls.placing import PlaceOutboundCall
from sautikitd.calls.session_ids import SessionIds
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.events.log import EventLog
from sautikitd.events.models import Mode
from sautikitd.mail.notices import OwnerNotices
from sautikitd.wallet import limit_repository as limits
from sautikitd.wallet.limit_repository import WORKSPACE
from sautikitd.wallet.limit_routes import LimitRoutes
from sautikitd.wallet.limits import OutboundPaused, SpendGuards, SpendLimit
from sautikitd.wallet.models import Account


@pytest.fixture
async def scene(database: Database) -> Scene:
    scene = await Scene.on(database)
    clock = scene.platform.clock
    guards = SpendGuards(EventLog(), clock, OwnerNotices(clock))
    scene.lifecycle = CallLifecycle(scene.platform.wallets, EventLog(), guards)
    scene.placing = PlaceOutboundCall(SessionIds(b"a key for tests"), clock, guards)
    await scene.limit(calls_per_second=1000.0, tokens=100.0)
    return scene


@pytest.fixture
async def api(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    made = await scene.platform.key(scene.workspace.id)
    async with client(scene.platform.application(LimitRoutes()), made.key) as api:
        yield api


def account(scene: Scene) -> Account:
    mode: Mode = scene.principal.mode
    return Account(scene.workspace.id, mode)


async def cap(
    scene: Scene, key_id: UUID = WORKSPACE, *, daily: int | None = None, each: int | None = None
) -> None:
    async with scene.platform.database.transaction() as connection:
        await limits.lock_limit(connection, account(scene), key_id)
        await limits.set_limit(connection, account(scene), key_id, daily, each)


async def talk(scene: Scene, seconds: float) -> int:
    """A whole call of so many seconds; returns what it cost."""
    call = await scene.place()
    assert await scene.claim()
    await scene.answer(call.id)
    if seconds > 60:
        await scene.extend(call.id, int(seconds))
    ended = await scene.end(call.id, after_s=seconds)
    return ended.cost_minor


async def told(scene: Scene, kind: str) -> list[dict[str, Any]]:
    async with scene.platform.database.connection() as connection:
        rows = await connection.fetch("SELECT data FROM events WHERE kind = $1 ORDER BY id", kind)
    return [row["data"] for row in rows]


async def test_a_day_ends_at_its_cap_and_the_next_begins_anew(scene: Scene) -> None:
    await cap(scene, daily=1_000)
    assert await talk(scene, 60) == 300
    assert await talk(scene, 60) == 300
    assert await told(scene, "wallet.spend_limit") == []
    assert await talk(scene, 60) == 300
    assert [one["spent_minor"] for one in await told(scene, "wallet.spend_limit")] == [900]
    with pytest.raises(SpendLimit):
        await scene.place()
    assert isinstance(scene.platform.clock, ManualClock)
    advance(scene.platform.clock, hours=12)  # midnight in Nairobi
    assert (await scene.place()).status == "queued"


async def test_calls_in_parallel_do_not_pass_it_together(scene: Scene) -> None:
    await cap(scene, daily=700)
    calls = [await scene.place() for _ in range(4)]
    for _ in calls:
        assert await scene.claim()
    states = sorted([(await scene.call(call.id)).status.value for call in calls])
    assert states == ["failed", "failed", "ringing", "ringing"]


async def test_a_queued_call_that_a_cap_stops_says_so(scene: Scene) -> None:
    call, together = await scene.place(), await scene.place(to=["+254712345678", "+254712345679"])
    await cap(scene, each=100)
    assert await scene.claim()
    assert await scene.claim()
    for stopped in (await scene.call(call.id), await scene.call(together.id)):
        assert (stopped.status, stopped.hangup_cause) == ("failed", "spend_limit")
        assert stopped.failure_code == "wallet.spend_limit"
    assert (await scene.balance())[1] == 0


async def test_a_queued_call_that_the_alarm_stops_says_so(scene: Scene) -> None:
    call = await scene.place()
    async with scene.platform.database.transaction() as connection:
        assert await limits.pause(connection, account(scene), "Too fast.", scene.now)
    assert await scene.claim()
    stopped = await scene.call(call.id)
    assert (stopped.status, stopped.hangup_cause) == ("failed", "outbound_paused")
    assert stopped.failure_code == "wallet.outbound_paused"


async def test_a_call_is_not_let_grow_beyond_a_cap(scene: Scene) -> None:
    await cap(scene, each=450)
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    assert await scene.extend(call.id, 120) == Covered(seconds=90, short_of=HangupCause.SPEND_LIMIT)
    assert (await scene.balance())[1] == 450
    assert (await scene.end(call.id, after_s=90)).cost_minor == 450


async def test_a_key_has_a_cap_of_its_own(scene: Scene) -> None:
    await cap(scene, scene.principal.id, daily=500)
    await talk(scene, 60)
    with pytest.raises(SpendLimit, match="this key"):
        await scene.place()


async def test_money_that_goes_ten_times_faster_pauses_outbound_calls_and_tells_the_owner(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sautikitd.wallet.limits.ALARM_FLOOR_MINOR", 500)
    assert isinstance(scene.platform.clock, ManualClock)
    assert await talk(scene, 12) == 60
    advance(scene.platform.clock, hours=1)
    await talk(scene, 60)
    assert await told(scene, "wallet.outbound_paused") == []
    await talk(scene, 60)
    assert len(await told(scene, "wallet.outbound_paused")) == 1
    with pytest.raises(OutboundPaused):
        await scene.place()
    async with scene.platform.database.transaction() as connection:
        assert await connection.fetchval("SELECT recipient FROM mails") == "wanjiru@example.co.ke"
        assert await limits.resume(connection, account(scene), scene.now)
    await talk(scene, 60)
    assert len(await told(scene, "wallet.outbound_paused")) == 1


async def test_what_was_spent_today_is_told_without_any_cap(scene: Scene, api: httpx.AsyncClient) -> None:
    ended, live = await scene.place(), await scene.place()
    while await scene.claim():
        pass
    await scene.answer(ended.id)
    await scene.end(ended.id, after_s=40)
    workspace = (await api.get("/v1/wallet/limits")).json()["workspace"]
    assert (workspace["spent_today_minor"], workspace["held_minor"]) == (200, 300)
    assert workspace["daily_minor"] is None
    await scene.end(live.id)


async def test_a_key_only_lowers_limits(api: httpx.AsyncClient) -> None:
    first = await api.patch("/v1/wallet/limits", json={"daily_minor": 5_000, "max_concurrent_calls": 4})
    assert first.json()["workspace"]["daily_minor"] == 5_000
    assert first.json()["max_concurrent_calls"] == 4
    for raised in (
        {"daily_minor": 5_001},
        {"max_concurrent_calls": 5},
        {"destination_prefixes": ["254", "1"]},
    ):
        refused = await api.patch("/v1/wallet/limits", json=raised)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "wallet.limit_raise_denied")
    whose = {"of": "key", "per_call_minor": 50, "max_concurrent_calls": 2, "destination_prefixes": ["2547"]}
    refused = await api.patch("/v1/wallet/limits", json=whose)
    assert {field["pointer"] for field in refused.json()["error"]["fields"]} == {
        "/max_concurrent_calls",
        "/destination_prefixes",
    }
    await api.patch("/v1/wallet/limits", json={"of": "key", "per_call_minor": 100})
    lowered = await api.patch("/v1/wallet/limits", json={"destination_prefixes": ["2547"]})
    assert lowered.json()["destination_prefixes"] == ["2547"]
    assert (await api.get("/v1/wallet/limits")).json()["key"]["per_call_minor"] == 100
