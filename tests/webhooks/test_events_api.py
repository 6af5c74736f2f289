"""`/v1/events` through the whole HTTP kernel."""

from typing import Any
from uuid import uuid4

import httpx

from webhooks.api import make
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Sink
from webhooks.workspace import Workspace


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
