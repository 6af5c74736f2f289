"""Deliveries asked for, listed and asked for again, through the whole HTTP kernel."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from sautikitd.egress.signatures import verify
from sautikitd.webhooks import repository
from webhooks.api import make
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Sink, answering, in_turn
from webhooks.workspace import Workspace


async def test_what_waits_for_a_moved_webhook_goes_to_the_new_url(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    webhook_id, _ = await make(api)
    event = await workspace.emit()
    await api.patch(f"/v1/webhooks/{webhook_id}", json={"url": sink.url("/new")})
    await dispatch()

    (received,) = await sink.wait_for(1, "/new")
    assert received.event_id == str(event.id)


async def test_a_test_event_goes_to_that_webhook_alone_signed_with_its_secret(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    await make(api, url=sink.url("/other"))
    webhook_id, secret = await make(api, url=sink.url("/hook"), events=["call.completed"])
    await dispatch()

    answer = await api.post(f"/v1/webhooks/{webhook_id}/test")

    assert answer.status_code == 201
    (received,) = await sink.wait_for(1)
    assert received.path == "/hook"
    assert received.headers["x-sautikit-delivery-id"] == answer.json()["delivery"]["id"]
    now = int(workspace.clock.now().timestamp())
    verify(received.body, received.headers["x-sautikit-signature"], [secret], now=now)


async def test_what_is_asked_for_with_a_test_clock_ahead_is_sent_at_once(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    behind = datetime.now(UTC) - workspace.clock.now()  # the database has the true time
    workspace.clock.advance(max(behind.total_seconds(), 0) + 60)
    webhook_id, _ = await make(api, url=sink.url("/hook"))
    start = workspace.clock.now()
    await workspace.emit()
    await dispatch()
    await sink.wait_for(1)
    api.headers["Authorization"] = "Bearer ahead"
    place = f"/v1/webhooks/{webhook_id}"
    made = await api.post(f"{place}/test")
    await sink.wait_for(2)
    await api.post(f"{place}/deliveries/{made.json()['delivery']['id']}/redeliver")
    await sink.wait_for(3)
    await api.post(f"{place}/replay", json={"from": start.isoformat()})
    await sink.wait_for(4)


async def test_a_delivery_is_listed_with_its_log_and_can_be_made_again(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    url = sink.behave("/hook", in_turn(answering(500, text="oh"), answering(200)))
    webhook_id, _ = await make(api, url=url)
    event = await workspace.emit()
    await dispatch()
    place = f"/v1/webhooks/{webhook_id}/deliveries"

    async def tried() -> bool:
        return bool((await api.get(place)).json()["data"][0]["log"])

    await until(tried)
    (listed,) = (await api.get(place)).json()["data"]
    assert (listed["event_id"], listed["kind"], listed["status"]) == (
        str(event.id),
        "wallet.top_up",
        "pending",
    )
    assert (listed["response_status"], listed["last_error"]) == (500, "status: answered 500")
    assert listed["log"][0]["response_body"] == "oh"
    assert listed["log"][0]["request_headers"]["X-Sautikit-Event-Id"] == str(event.id)
    assert (await api.get(f"{place}/{listed['id']}")).json() == {"delivery": listed}
    assert (await api.get(place, params={"kind": "wallet.top_up,call.failed"})).json()["data"] == [listed]
    assert (await api.get(place, params={"to": listed["created_at"]})).json()["data"] == []
    assert (await api.get(place, params={"from": listed["created_at"]})).json()["data"] == [listed]

    again = await api.post(f"{place}/{listed['id']}/redeliver")

    assert again.status_code == 201
    first, second = await sink.wait_for(2)
    assert second.headers["x-sautikit-delivery-id"] == again.json()["delivery"]["id"] != listed["id"]
    assert (first.event_id, first.body) == (second.event_id, second.body)
    found = await api.get(place, params={"event_id": str(event.id), "limit": 1})
    assert found.json()["data"][0]["id"] == again.json()["delivery"]["id"]
    assert found.json()["next_cursor"] is not None
    assert (await api.post(f"{place}/{uuid4()}/redeliver")).status_code == 404


async def test_a_replay_sends_a_span_of_events_again_in_order(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    webhook_id, _ = await make(api, url=sink.url("/hook"))
    await workspace.emit()
    workspace.clock.advance(60)
    start = workspace.clock.now()
    events = await workspace.call(length=3)
    workspace.clock.advance(60)
    await dispatch()
    await sink.wait_for(4)

    answer = await api.post(f"/v1/webhooks/{webhook_id}/replay", json={"from": start.isoformat()})

    assert answer.status_code == 202
    assert answer.json() == {"queued": 3, "more": False, "continue_from": None}
    received = await sink.wait_for(7)
    assert [r.event_id for r in received[4:]] == [str(e.id) for e in events]


async def test_a_long_replay_says_where_to_go_on_and_misses_nothing(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "REPLAY_LIMIT", 2)
    webhook_id, _ = await make(api, url=sink.url("/hook"))
    start = workspace.clock.now()
    await workspace.call(length=3)
    workspace.clock.advance(1)
    path = f"/v1/webhooks/{webhook_id}/replay"
    first = (await api.post(path, json={"from": start.isoformat()})).json()
    assert (first["queued"], first["more"]) == (2, True)
    assert re.fullmatch(r"[0-9-]+T[0-9:]+\.[0-9]{6}Z", first["continue_from"])
    rest = (await api.post(path, json={"from": first["continue_from"]})).json()
    assert rest["queued"] >= 1


async def test_a_replay_of_failures_sends_what_was_missed_and_nothing_else(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    webhook_id, _ = await make(api, url=sink.url("/hook"))
    await dispatch()
    start = workspace.clock.now()
    await workspace.emit()
    await sink.wait_for(1)

    async def done() -> bool:
        return all(row["status"] == "succeeded" for row in await workspace.deliveries())

    await until(done)
    await api.patch(f"/v1/webhooks/{webhook_id}", json={"enabled": False})
    missed = await workspace.emit()
    await api.patch(f"/v1/webhooks/{webhook_id}", json={"enabled": True})
    workspace.clock.advance(1)

    body = {"from": start.isoformat(), "only_failed": True}
    answer = await api.post(f"/v1/webhooks/{webhook_id}/replay", json=body)

    assert answer.json()["queued"] == 1
    _, second = await sink.wait_for(2)
    assert second.event_id == str(missed.id)
    assert (
        await api.post(f"/v1/webhooks/{webhook_id}/replay", json={"from": "2026-11-23T09:00:00"})
    ).status_code == 422
    too_far = {"from": "2026-10-01T00:00:00Z", "only_failed": True}
    refused = await api.post(f"/v1/webhooks/{webhook_id}/replay", json=too_far)
    assert refused.status_code == 422
    assert refused.json()["error"]["fields"][0]["pointer"] == "/from"
