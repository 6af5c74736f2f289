"""What a receiver sees, on real sockets."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from sautikitd.egress.signatures import verify
from sautikitd.webhooks.disabling import discard_waiting
from sautikitd.webhooks.jobs import purge_delivery_log
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Behaviour, Sink, answering, endless, resetting
from webhooks.workspace import SIGNING_SECRET, Workspace


async def statuses(workspace: Workspace) -> list[str]:
    return [row["status"] for row in await workspace.deliveries("id, status")]


async def test_an_event_arrives_with_envelope_and_headers_and_is_marked_delivered(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    _, secret = await workspace.subscribe(sink.url("/hook"))
    await dispatch()
    event = await workspace.emit("wallet.top_up", data={"amount_minor": 5000, "currency": "KES"})

    (received,) = await sink.wait_for(1)

    (delivery,) = await workspace.deliveries("id")
    assert json.loads(received.body) == {
        "kind": "wallet.top_up",
        "event_id": str(event.id),
        "workspace_id": str(workspace.id),
        "mode": "test",
        "occurred_at": "2026-11-23T09:00:00.000Z",
        "data": {"amount_minor": 5000, "currency": "KES"},
    }
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-sautikit-event-id"] == str(event.id)
    assert received.headers["x-sautikit-event-kind"] == "wallet.top_up"
    assert received.headers["x-sautikit-delivery-id"] == str(delivery["id"])
    assert received.headers["webhook-id"] == str(event.id)
    now = int(workspace.clock.now().timestamp())
    verify(received.body, received.headers["x-sautikit-signature"], [secret], now=now)

    async def delivered() -> bool:
        return await statuses(workspace) == ["succeeded"]

    await until(delivered)
    (attempt,) = await workspace.attempts()
    assert (attempt["attempt"], attempt["response_status"], attempt["response_body"]) == (1, 200, "ok")
    assert attempt["request_headers"]["X-Sautikit-Event-Id"] == str(event.id)


async def test_urls_of_calls_and_numbers_are_signed_with_the_workspaces_signing_secret(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    await dispatch()
    await workspace.emit("call.started", sink.url("/events"), sink.url("/call"))

    received = await sink.wait_for(2)

    assert {r.path for r in received} == {"/events", "/call"}
    assert received[0].body == received[1].body
    assert received[0].event_id == received[1].event_id
    for one in received:
        now = int(workspace.clock.now().timestamp())
        verify(one.body, one.headers["x-sautikit-signature"], [SIGNING_SECRET], now=now)


async def test_the_standard_webhooks_library_verifies_a_delivery_unchanged(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await workspace.subscribe(sink.url("/hook"))
    await dispatch()
    event = await workspace.emit()

    (received,) = await sink.wait_for(1)

    freeze_standard_webhooks(monkeypatch, workspace)
    payload = Webhook(secret).verify(received.body, received.headers)
    assert payload["event_id"] == str(event.id)


async def test_both_secrets_sign_for_a_day_after_a_rotation(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id, old = await workspace.subscribe(sink.url("/hook"))
    async with workspace.database.transaction() as connection:
        new, until_when = await workspace.secrets.rotate(connection, webhook_id, workspace.clock.now())
    await dispatch()
    await workspace.emit()
    (during,) = await sink.wait_for(1)
    assert (until_when - workspace.clock.now()).total_seconds() == 86_400

    now = int(workspace.clock.now().timestamp())
    assert during.headers["x-sautikit-signature"].count("v1=") == 2
    freeze_standard_webhooks(monkeypatch, workspace)
    for secret in (old, new):
        verify(during.body, during.headers["x-sautikit-signature"], [secret], now=now)
        Webhook(secret).verify(during.body, during.headers)

    workspace.clock.advance(86_401)
    await workspace.emit()
    _, after = await sink.wait_for(2)
    assert after.headers["x-sautikit-signature"].count("v1=") == 1
    verify(after.body, after.headers["x-sautikit-signature"], [new], now=now + 86_401)


def freeze_standard_webhooks(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    """The library refuses old timestamps by the machine's clock; it is shown ours."""

    class Moment:
        @staticmethod
        def now(tz: object = None) -> object:
            return workspace.clock.now()

        @staticmethod
        def fromtimestamp(seconds: float, tz: object = None) -> object:
            return datetime.fromtimestamp(seconds, UTC)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Moment)


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        (answering(500, text="no"), 500, "status: answered 500"),
        (answering(301, {"Location": "/elsewhere"}), 301, "status: answered 301"),
        (resetting, None, "reset: "),
    ],
    ids=["error", "redirect", "reset"],
)
async def test_anything_but_a_2xx_is_a_failure_that_will_be_tried_again(
    workspace: Workspace,
    sink: Sink,
    dispatch: Dispatch,
    until: Until,
    behaviour: Behaviour,
    status: int | None,
    error: str,
) -> None:
    await workspace.subscribe(sink.behave("/hook", behaviour))
    await dispatch()
    await workspace.emit()
    await sink.wait_for(1)

    async def tried() -> bool:
        return bool(await workspace.attempts())

    await until(tried)
    (delivery,) = await workspace.deliveries()
    (attempt,) = await workspace.attempts()
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    assert attempt["response_status"] == status
    assert attempt["error"].startswith(error)
    assert [r.path for r in sink.received] == ["/hook"]


async def test_an_endless_response_counts_by_its_status_and_two_kilobytes_of_it_are_kept(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    await workspace.subscribe(sink.behave("/hook", endless))
    await dispatch()
    await workspace.emit()

    async def delivered() -> bool:
        return await statuses(workspace) == ["succeeded"]

    await until(delivered)
    (attempt,) = await workspace.attempts()
    assert attempt["response_body"] == "x" * 2048


async def test_a_response_that_the_database_could_not_hold_is_kept_as_far_as_it_can(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    strange = answering(200, {"X-Strange": "\udcff\udcfe"}, text="a\x00b")
    await workspace.subscribe(sink.behave("/hook", strange))
    await dispatch()
    await workspace.emit()

    async def delivered() -> bool:
        return await statuses(workspace) == ["succeeded"]

    await until(delivered)
    (attempt,) = await workspace.attempts()
    assert attempt["response_body"] == "a\ufffdb"


async def test_nothing_is_sent_unsigned(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    webhook_id, _ = await workspace.subscribe(sink.url("/hook"))
    async with workspace.database.connection() as connection:
        await connection.execute("DELETE FROM webhook_secrets WHERE webhook_id = $1", webhook_id)
    await dispatch()
    await workspace.emit()

    async def ended() -> bool:
        return await statuses(workspace) == ["dead_letter"]

    await until(ended)
    assert (await workspace.deliveries())[0]["error"] == "webhooks.deliver.secret_unset"
    assert sink.received == []


async def test_a_secret_that_does_not_open_stops_no_other_delivery(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    broken, _ = await workspace.subscribe(sink.url("/broken"))
    await workspace.subscribe(sink.url("/hook"))
    async with workspace.database.connection() as connection:
        await connection.execute(
            "UPDATE webhook_secrets SET secret_encrypted = '\\x00'::bytea WHERE webhook_id = $1", broken
        )
    await dispatch()
    await workspace.emit()

    await sink.wait_for(1, "/hook")

    async def ended() -> bool:
        return sorted(await statuses(workspace)) == ["dead_letter", "succeeded"]

    await until(ended)


async def test_a_delivery_to_a_private_address_fails_without_a_connection(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    await workspace.subscribe(sink.url("/hook"))
    await dispatch(allow_private=False)
    await workspace.emit()

    async def tried() -> bool:
        return bool(await workspace.attempts())

    await until(tried)
    (attempt,) = await workspace.attempts()
    assert attempt["error"].startswith("refused: ")
    assert sink.received == []


async def test_the_log_forgets_deliveries_and_their_attempts_after_thirty_days_and_never_what_waits(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    await workspace.subscribe(sink.url("/hook"))
    unheard, _ = await workspace.subscribe("https://unheard.example", "call.started")
    await workspace.subscribe(sink.behave("/broken", answering(500)), "wallet.low_balance")
    await workspace.emit(
        "wallet.low_balance"
    )  # delivered to one, waiting for its second attempt at the other
    await workspace.emit("call.started")
    async with workspace.database.transaction() as connection:
        await discard_waiting(connection, [unheard], workspace.clock.now(), "disabled by the test")
    running = await dispatch()
    await sink.wait_for(3)
    await running.stopped()
    now = datetime.now(UTC)  # ids are made by the database's clock
    assert sorted(await statuses(workspace)) == ["discarded", "pending", "succeeded", "succeeded"]

    assert await purge_delivery_log(workspace.database, now + timedelta(days=29)) == 0
    assert len(await statuses(workspace)) == 4
    assert await purge_delivery_log(workspace.database, now + timedelta(days=31)) == 3

    assert await workspace.attempts() == []
    assert await statuses(workspace) == ["pending"]


async def test_the_purge_takes_secrets_that_sign_no_more_and_the_health_of_forgotten_urls(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    webhook_id, _ = await workspace.subscribe(sink.behave("/broken", answering(500)))
    now = workspace.clock.now()
    async with workspace.database.transaction() as connection:
        await workspace.secrets.rotate(connection, webhook_id, now)
    await workspace.emit("wallet.top_up", sink.behave("/url", answering(500)))
    running = await dispatch()
    await sink.wait_for(2)
    await running.stopped()

    async def left() -> tuple[int, int]:
        async with workspace.database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM webhook_secrets), (SELECT count(*) FROM webhook_health)"
            )
        return tuple(row)

    await purge_delivery_log(workspace.database, now + timedelta(hours=23))
    assert await left() == (2, 2)
    await purge_delivery_log(workspace.database, now + timedelta(days=31))
    assert await left() == (1, 1)  # the present secret, and the webhook's own failures
