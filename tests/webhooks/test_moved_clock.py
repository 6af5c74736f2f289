"""The clock of test mode is moved: what waits by the real one has so much less to wait."""

import json
from datetime import UTC, datetime, timedelta

import httpx

from sautikitd.timestamps import rfc3339
from sautikitd.webhooks.moved_clock import MovedClock
from webhooks.api import make
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Sink, answering
from webhooks.workspace import Workspace


async def _moved(workspace: Workspace, **by: float) -> None:
    now = workspace.clock.now()
    async with workspace.database.transaction() as connection:
        await MovedClock().pass_days(connection, workspace.id, now, now + timedelta(**by))


async def test_five_days_of_failures_pass_at_once_and_the_others_are_told(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    behind = datetime.now(UTC) - workspace.clock.now()  # the database has the true time
    workspace.clock.advance(behind.total_seconds() + 60)
    began = workspace.clock.now()
    failing, _ = await workspace.subscribe(sink.behave("/hook", answering(500)), "wallet.top_up")
    await workspace.subscribe(sink.url("/other"), "webhook.disabled")
    for _ in range(10):
        await workspace.emit()
    await dispatch()

    async def health() -> tuple[int, bool]:
        async with workspace.database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT failures, enabled FROM webhooks JOIN webhook_health ON endpoint_id = id WHERE id = $1",
                failing,
            )
        return (row["failures"], row["enabled"]) if row else (0, True)

    async def all_failed_once() -> bool:
        return await health() == (10, True)

    await until(all_failed_once)
    async with workspace.database.connection() as connection:
        await connection.execute("INSERT INTO test_clocks VALUES ($1, $2)", workspace.id, 5 * 86_400)
    await _moved(workspace, days=5)  # their second attempts are due long since
    (told,) = await sink.wait_for(1, "/other")
    assert told.headers["x-sautikit-event-kind"] == "webhook.disabled"
    assert (await health())[1] is False
    data = json.loads(told.body)["data"]
    assert data["failing_since"] == rfc3339(began)
    assert json.loads(told.body)["occurred_at"] == rfc3339(began + timedelta(days=5))


async def test_a_rotated_secret_signs_no_longer_when_its_day_is_over(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    webhook_id, _ = await make(api, url=sink.url("/hook"))
    await api.post(f"/v1/webhooks/{webhook_id}/rotate-secret")
    await dispatch()
    await workspace.emit()
    await sink.wait_for(1)
    await _moved(workspace, hours=24)
    await workspace.emit()
    during, after = await sink.wait_for(2)
    assert [one.headers["webhook-signature"].count("v1,") for one in (during, after)] == [2, 1]


async def test_a_rotation_with_the_clock_ahead_lasts_a_day_of_that_clock(
    api: httpx.AsyncClient, workspace: Workspace
) -> None:
    webhook_id, _ = await make(api)
    ahead = {"Authorization": "Bearer ahead"}  # six days
    answer = await api.post(f"/v1/webhooks/{webhook_id}/rotate-secret", headers=ahead)
    assert answer.json()["previous_valid_until"] == "2026-11-30T09:00:00.000Z"
    async with workspace.database.connection() as connection:
        until = await connection.fetchval("SELECT max(valid_until) FROM webhook_secrets")
    assert until == workspace.clock.now() + timedelta(hours=24)
