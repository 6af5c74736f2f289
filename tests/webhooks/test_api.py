"""`/v1/webhooks` through the whole HTTP kernel."""

from uuid import uuid4

import httpx
import pytest

from sautikitd.webhooks import service
from webhooks.api import NUMBER, make
from webhooks.workspace import Workspace


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


async def test_an_event_named_twice_is_kept_once(api: httpx.AsyncClient) -> None:
    names = ["call.completed", "call.failed", "call.completed"]
    made = await api.post("/v1/webhooks", json={"url": "https://example.co.ke/h", "events": names})
    assert made.json()["webhook"]["events"] == ["call.completed", "call.failed"]


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
