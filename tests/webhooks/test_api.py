"""`/v1/webhooks` and `/v1/events` through the whole HTTP kernel."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.egress.signatures import verify
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import build
from sautikitd.identity.principal import Principal
from sautikitd.webhooks import repository, service
from sautikitd.webhooks.routes import EventRoutes, WebhookRoutes
from sautikitd.webhooks.service import Webhooks
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Sink, answering, in_turn
from webhooks.workspace import Workspace

NUMBER = uuid4()


class Keys:
    """`key`, `restricted` and `ahead` are of one workspace, the second for one number only, the third with its test clock
    six days ahead; `other` is of another one."""

    def __init__(self, workspace: Workspace, other: Workspace) -> None:
        self._of = {"key": workspace, "other": other, "restricted": workspace, "ahead": workspace}

    async def authenticate(self, credential: str, source_address: str) -> Principal:
        scopes = frozenset({"webhooks.read", "webhooks.write"})
        numbers = frozenset({NUMBER}) if credential == "restricted" else None
        workspace_id = self._of[credential].id
        return Principal(
            id=uuid4(),
            workspace_id=workspace_id,
            mode="test",
            scopes=scopes,
            number_ids=numbers,
            ahead_seconds=6 * 86_400 if credential == "ahead" else 0,
        )


@pytest.fixture
async def other(database: Database, clock: ManualClock) -> Workspace:
    other = Workspace(database, clock)
    await other.create()
    return other


@pytest.fixture
async def api(workspace: Workspace, other: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    waker = Waker(workspace.database)
    webhooks = Webhooks(workspace.secrets)
    routes = [*endpoints_of(WebhookRoutes(webhooks, waker)), *endpoints_of(EventRoutes())]
    kernel = Kernel(
        database=workspace.database,
        authenticator=Keys(workspace, other),
        idempotency=Idempotency(workspace.box),
        limiter=RateLimiter(workspace.clock, per_second=1000, burst=1000),
        clock=workspace.clock,
        docs_base="https://docs.test",
        allow_private_urls=True,
    )

    async def ready() -> dict[str, str]:
        return {}

    app = build(kernel, routes, public_url="https://api.test", ready=ready)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=cast("Any", app)),
        base_url="https://api.test",
        headers={"Authorization": "Bearer key"},
    ) as client:
        yield client
    await waker.close()


async def make(api: httpx.AsyncClient, **body: object) -> tuple[str, str]:
    answer = await api.post("/v1/webhooks", json={"url": "https://example.com/hook"} | body)
    assert answer.status_code == 201, answer.text
    return answer.json()["webhook"]["id"], answer.json()["secret"]


async def test_a_webhook_is_made_with_a_secret_shown_once(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/webhooks", json={"url": "https://example.com/hook"})

    assert answer.status_code == 201
    made = answer.json()["webhook"]
    assert answer.json()["secret"].startswith("whsec_")
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert made["events"] == ["*"]
    assert made["enabled"] is True
    assert made["created_at"] == "2026-11-23T09:00:00.000Z"
    read = await api.get(f"/v1/webhooks/{made['id']}")
    assert read.json() == {"webhook": made}
    assert (await api.get("/v1/webhooks")).json() == {"data": [made], "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "code", "pointer", "problem"),
    [
        ({"url": "ftp://example.com"}, "request.invalid", "/url", "http"),
        ({"url": "https://u:p@example.com"}, "request.invalid", "/url", "credentials"),
        ({"events": []}, "request.invalid", "/events", "at least 1 item"),
        (
            {"events": ["call.startet"]},
            "webhooks.event_unsupported",
            "/events/0",
            "did you mean `call.started`",
        ),
        (
            {"events": ["*", "number.assigned"]},
            "webhooks.event_unsupported",
            "/events/1",
            "number.provisioned",
        ),
        ({"evnts": ["*"]}, "request.invalid", "/evnts", "did you mean `events`"),
    ],
)
async def test_a_bad_webhook_is_refused_with_the_field_named(
    api: httpx.AsyncClient, body: dict[str, object], code: str, pointer: str, problem: str
) -> None:
    answer = await api.post("/v1/webhooks", json={"url": "https://example.com/hook"} | body)

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["fields"][0]["pointer"] == pointer
    assert problem in error["fields"][0]["problem"]


async def test_every_bad_field_is_named_at_once_and_nothing_changes(api: httpx.AsyncClient) -> None:
    webhook_id, _ = await make(api)
    before = (await api.get("/v1/webhooks")).json()
    bad = {"url": "ftp://example.com", "events": ["call.startet"], "number_ids": [webhook_id]}
    for answer in (
        await api.post("/v1/webhooks", json=bad),
        await api.patch(f"/v1/webhooks/{webhook_id}", json=bad),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "request.invalid")
        assert {field["pointer"] for field in error["fields"]} == {"/url", "/events/0", "/number_ids/0"}
    assert (await api.get("/v1/webhooks")).json() == before


async def test_another_workspace_sees_nothing_of_it(api: httpx.AsyncClient) -> None:
    webhook_id, _ = await make(api)
    stranger = {"Authorization": "Bearer other"}

    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/rotate-secret"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
    ]:
        answer = await api.request(method, f"/v1/webhooks/{webhook_id}{path}", headers=stranger)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "webhooks.not_found")
    assert (await api.get("/v1/webhooks", headers=stranger)).json()["data"] == []


async def test_a_change_merges_and_disabling_discards_what_waits(
    api: httpx.AsyncClient, workspace: Workspace
) -> None:
    webhook_id, _ = await make(api, events=["wallet.top_up"], description="books")
    await workspace.emit()

    changed = (await api.patch(f"/v1/webhooks/{webhook_id}", json={"enabled": False})).json()["webhook"]

    assert (changed["enabled"], changed["disabled_reason"]) == (False, "by_user")
    assert (changed["description"], changed["events"]) == ("books", ["wallet.top_up"])
    assert [row["status"] for row in await workspace.deliveries()] == ["discarded"]
    refused = await api.post(f"/v1/webhooks/{webhook_id}/test")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhooks.disabled")
    again = (await api.patch(f"/v1/webhooks/{webhook_id}", json={"enabled": True})).json()["webhook"]
    assert (again["enabled"], again["disabled_at"], again["disabled_reason"]) == (True, None, None)


async def test_what_waits_for_a_moved_webhook_goes_to_the_new_url(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    webhook_id, _ = await make(api)
    event = await workspace.emit()
    await api.patch(f"/v1/webhooks/{webhook_id}", json={"url": sink.url("/new")})
    await dispatch()

    (received,) = await sink.wait_for(1, "/new")
    assert received.event_id == str(event.id)


async def test_a_deleted_webhook_is_gone_and_gets_nothing(
    api: httpx.AsyncClient, workspace: Workspace
) -> None:
    webhook_id, _ = await make(api)
    await workspace.emit()

    assert (await api.delete(f"/v1/webhooks/{webhook_id}")).status_code == 204

    await workspace.emit()
    assert (await api.get(f"/v1/webhooks/{webhook_id}")).status_code == 404
    assert [row["status"] for row in await workspace.deliveries()] == ["discarded"]


async def test_a_rotated_secret_is_shown_with_the_end_of_the_old_one(api: httpx.AsyncClient) -> None:
    webhook_id, old = await make(api)

    answer = (await api.post(f"/v1/webhooks/{webhook_id}/rotate-secret")).json()

    assert answer["secret"] != old
    assert answer["previous_valid_until"] == "2026-11-24T09:00:00.000Z"


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


async def test_an_event_named_twice_is_kept_once(api: httpx.AsyncClient) -> None:
    names = ["call.completed", "call.failed", "call.completed"]
    made = await api.post("/v1/webhooks", json={"url": "https://example.co.ke/h", "events": names})
    assert made.json()["webhook"]["events"] == ["call.completed", "call.failed"]


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


async def test_events_are_listed_as_they_are_delivered_without_the_steps_of_flows(
    api: httpx.AsyncClient, workspace: Workspace
) -> None:
    first = await workspace.emit("wallet.top_up", data={"amount_minor": 5})
    await workspace.emit("flow.say", data={"text": "hello"})
    second = await workspace.emit("number.released")

    listed = (await api.get("/v1/events")).json()["data"]
    assert [event["event_id"] for event in listed] == [str(second.id), str(first.id)]
    assert listed[1]["data"] == {"amount_minor": 5}
    by_kind = (await api.get("/v1/events", params={"kind": "wallet.top_up,call.failed"})).json()["data"]
    assert [event["event_id"] for event in by_kind] == [str(first.id)]
    strange = await api.get("/v1/events", params={"kind": "wallet.topup"})
    assert strange.json()["error"]["fields"][0]["problem"] == (
        "`wallet.topup` is not an event; did you mean `wallet.top_up`?"
    )
    at = listed[1]["occurred_at"]
    for name in ("from", "created_after"):
        since = (await api.get("/v1/events", params={name: at})).json()["data"]
        assert str(first.id) in [event["event_id"] for event in since]
    for name in ("to", "created_before"):
        assert str(first.id) not in str((await api.get("/v1/events", params={name: at})).json())
    page = (await api.get("/v1/events", params={"limit": 1})).json()
    rest = (await api.get("/v1/events", params={"cursor": page["next_cursor"]})).json()
    assert [event["event_id"] for event in rest["data"]] == [str(first.id)]
    assert (await api.get(f"/v1/events/{first.id}")).json() == {"event": listed[1]}
    assert (await api.get(f"/v1/events/{uuid4()}")).json()["error"]["code"] == "events.not_found"


async def test_where_an_event_was_sent_is_listed_urls_that_are_no_webhooks_too(
    api: httpx.AsyncClient, workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    await make(api, url=sink.url("/hook"))
    await dispatch()
    event = await workspace.emit("call.started", sink.url("/events"))

    async def delivered() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await api.get(f"/v1/events/{event.id}/deliveries")).json()["data"]
        return listed

    async def done() -> bool:
        return [d["status"] for d in await delivered()] == ["succeeded"] * 2

    await until(done)
    by_url = {d["url"]: d for d in await delivered()}
    assert by_url[sink.url("/events")]["webhook_id"] is None
    assert by_url[sink.url("/hook")]["log"][0]["response_status"] == 200


async def test_a_key_restricted_to_numbers_hears_and_sees_only_of_those(
    api: httpx.AsyncClient, workspace: Workspace
) -> None:
    restricted = {"Authorization": "Bearer restricted"}
    await make(api)
    mine = await api.post("/v1/webhooks", json={"url": "https://example.com/mine"}, headers=restricted)
    event = await workspace.emit("number.provisioned", number_id=NUMBER)
    strange = await workspace.emit("number.provisioned", number_id=uuid4())

    assert mine.json()["webhook"]["number_ids"] == [str(NUMBER)]
    webhooks = (await api.get("/v1/webhooks", headers=restricted)).json()["data"]
    assert [webhook["url"] for webhook in webhooks] == ["https://example.com/mine"]
    events = (await api.get("/v1/events", headers=restricted)).json()["data"]
    assert [e["event_id"] for e in events] == [str(event.id)]
    assert (await api.get(f"/v1/events/{strange.id}", headers=restricted)).status_code == 404
    body = {"url": "https://example.com", "number_ids": [str(uuid4())]}
    wider = await api.post("/v1/webhooks", json=body, headers=restricted)
    assert wider.json()["error"]["fields"][0]["pointer"] == "/number_ids/0"
    assert len([d for d in await workspace.deliveries() if d["url"].endswith("mine")]) == 1


async def test_a_filter_names_numbers_that_there_are(api: httpx.AsyncClient, other: Workspace) -> None:
    body = {"url": "https://example.com", "number_ids": [str(uuid4())]}
    refused = await api.post("/v1/webhooks", json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["fields"] == [
        {"pointer": "/number_ids/0", "problem": "there is no such number in this workspace and mode"}
    ]


async def test_there_is_an_end_to_subscriptions(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_WEBHOOKS", 2)
    first, _ = await make(api)
    await make(api)
    refused = await api.post("/v1/webhooks", json={"url": "https://example.com/hook"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhooks.too_many")
    await api.delete(f"/v1/webhooks/{first}")
    await make(api)
