"""`/v1/webhooks` and `/v1/events`."""

from typing import Any
from uuid import UUID

from sautikitd.database.wake import Waker
from sautikitd.errors import Invalid, Refusal
from sautikitd.events import history as events
from sautikitd.events.envelope import Envelope
from sautikitd.events.log import CHANNEL
from sautikitd.events.models import Event
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Scope
from sautikitd.timestamps import rfc3339
from sautikitd.webhooks import repository
from sautikitd.webhooks.errors import (
    DeliveryNotFound,
    EventNotFound,
    EventUnsupported,
    TooManyWebhooks,
    WebhookDisabled,
    WebhookNotFound,
)
from sautikitd.webhooks.repository import Place
from sautikitd.webhooks.requests import (
    ChangeWebhook,
    CreateWebhook,
    ListDeliveries,
    ListEvents,
    Replay,
)
from sautikitd.webhooks.service import Webhooks
from sautikitd.webhooks.views import (
    Delivery,
    OneDelivery,
    OneEvent,
    OneWebhook,
    ReplayAnswer,
    RotatedSecret,
    Webhook,
    WebhookWithSecret,
    show_delivery,
    show_event,
    show_webhook,
)

_READ, _WRITE = Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE
_ONE = "/v1/webhooks/{webhook_id}"
_DELIVERY = "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"


class WebhookRoutes:
    tag = "Webhooks"

    def __init__(self, webhooks: Webhooks, waker: Waker) -> None:
        self._webhooks = webhooks
        self._waker = waker

    @endpoint(
        "GET",
        "/v1/webhooks",
        scope=_READ,
        query=PageQuery,
        answers={200: Page[Webhook]},
        errors=(InvalidCursor,),
    )
    async def list(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List webhooks, newest first."""
        wish = request.query
        rows = await repository.list_webhooks(
            request.connection, _place(request), decode_cursor(wish.cursor), wish.limit + 1
        )
        return Answer(body=page(rows, wish.limit, show_webhook, lambda row: row["id"]))

    @endpoint(
        "POST",
        "/v1/webhooks",
        scope=_WRITE,
        body=CreateWebhook,
        answers={201: WebhookWithSecret},
        errors=(Invalid, EventUnsupported, TooManyWebhooks),
    )
    async def create(self, request: ApiRequest[CreateWebhook, None]) -> Answer:
        """Subscribe a URL to events.

        The secret is shown this once. It signs every delivery: `X-Sautikit-Signature`, and the three
        headers of Standard Webhooks.
        """
        webhook, secret = await self._webhooks.create(
            request.connection, _place(request), request.body, request.now
        )
        await _audit(request, "webhook.create", webhook.id)
        return Answer(
            status=201,
            body=WebhookWithSecret(webhook, secret),
            headers={"Location": f"/v1/webhooks/{webhook.id}"},
            secret=True,
        )

    @endpoint("GET", _ONE, scope=_READ, answers={200: OneWebhook}, errors=(WebhookNotFound,))
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read a webhook."""
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        return Answer(
            body=OneWebhook(await self._webhooks.read(request.connection, _place(request), webhook_id))
        )

    @endpoint(
        "PATCH",
        _ONE,
        scope=_WRITE,
        body=ChangeWebhook,
        answers={200: OneWebhook},
        errors=(WebhookNotFound, Invalid, EventUnsupported),
    )
    async def change(self, request: ApiRequest[ChangeWebhook, None]) -> Answer:
        """Change a webhook: its URL, events, numbers, description, or whether it is enabled.

        What still waits for delivery goes to the new URL. Disabling discards it; the events are kept and
        can be replayed.
        """
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        webhook = await self._webhooks.change(
            request.connection, _place(request), webhook_id, request.body, request.now
        )
        await _audit(request, "webhook.change", webhook_id)
        return Answer(body=OneWebhook(webhook))

    @endpoint("DELETE", _ONE, scope=_WRITE, answers={204: None}, errors=(WebhookNotFound,))
    async def delete(self, request: ApiRequest[None, None]) -> Answer:
        """Delete a webhook. What still waits for delivery is discarded."""
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        await self._webhooks.delete(request.connection, _place(request), webhook_id, request.now)
        await _audit(request, "webhook.delete", webhook_id)
        return Answer(status=204)

    @endpoint(
        "POST", f"{_ONE}/rotate-secret", scope=_WRITE, answers={200: RotatedSecret}, errors=(WebhookNotFound,)
    )
    async def rotate_secret(self, request: ApiRequest[None, None]) -> Answer:
        """Replace the secret. For 24 hours every delivery carries the signatures of both."""
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        webhook, secret, until = await self._webhooks.rotate_secret(
            request.connection, _place(request), webhook_id, request.real_now
        )
        await _audit(request, "webhook.rotate_secret", webhook_id)
        until += request.now - request.real_now
        return Answer(body=RotatedSecret(webhook, secret, rfc3339(until)), secret=True)

    @endpoint(
        "POST",
        f"{_ONE}/test",
        scope=_WRITE,
        answers={201: OneDelivery},
        errors=(WebhookNotFound, WebhookDisabled),
    )
    async def test(self, request: ApiRequest[None, None]) -> Answer:
        """Send a `webhook.test` event to this webhook alone."""
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        made = await self._webhooks.test(request.connection, _place(request), webhook_id, request.now)
        await _audit(request, "webhook.test", webhook_id)
        return self._queued(request, made)

    @endpoint(
        "GET",
        f"{_ONE}/deliveries",
        scope=_READ,
        query=ListDeliveries,
        answers={200: Page[Delivery]},
        errors=(WebhookNotFound, InvalidCursor),
    )
    async def deliveries(self, request: ApiRequest[None, ListDeliveries]) -> Answer:
        """List what was sent to a webhook, newest first, with the log of every attempt."""
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        await self._webhooks.read(request.connection, _place(request), webhook_id)
        wish = request.query
        rows = await repository.list_deliveries(
            request.connection,
            webhook_id,
            before=decode_cursor(wish.cursor),
            limit=wish.limit + 1,
            status=wish.status,
            kinds=wish.kind.split(",") if wish.kind else None,
            event_id=wish.event_id,
            created_after=wish.start,
            created_before=wish.end,
        )
        log = await repository.attempts_of(request.connection, [row["id"] for row in rows])
        shown = page(rows, wish.limit, lambda row: show_delivery(row, log[row["id"]]), lambda row: row["id"])
        return Answer(body=shown)

    @endpoint(
        "GET", _DELIVERY, scope=_READ, answers={200: OneDelivery}, errors=(WebhookNotFound, DeliveryNotFound)
    )
    async def delivery(self, request: ApiRequest[None, None]) -> Answer:
        """Read one delivery with the log of its attempts."""
        found = await self._webhooks.delivery(request.connection, _place(request), *_delivery_ids(request))
        return Answer(body=OneDelivery(found))

    @endpoint(
        "POST",
        f"{_DELIVERY}/redeliver",
        scope=_WRITE,
        answers={201: OneDelivery},
        errors=(WebhookNotFound, DeliveryNotFound, WebhookDisabled),
    )
    async def redeliver(self, request: ApiRequest[None, None]) -> Answer:
        """Deliver an event once more: a new delivery of the same event, with the same `event_id`."""
        webhook_id, delivery_id = _delivery_ids(request)
        made = await self._webhooks.redeliver(
            request.connection, _place(request), webhook_id, delivery_id, now=request.now
        )
        await _audit(request, "webhook.redeliver", webhook_id)
        return self._queued(request, made)

    @endpoint(
        "POST",
        f"{_ONE}/replay",
        scope=_WRITE,
        body=Replay,
        answers={202: ReplayAnswer},
        errors=(WebhookNotFound, WebhookDisabled),
    )
    async def replay(self, request: ApiRequest[Replay, None]) -> Answer:
        """Deliver the events of a span of time again, those missed while it was disabled too.

        With `only_failed`, only events that were never delivered. At most 10,000 at a time.
        """
        webhook_id = _id(request, "webhook_id", WebhookNotFound)
        answer = await self._webhooks.replay(
            request.connection, _place(request), webhook_id, request.body, request.now
        )
        await _audit(request, "webhook.replay", webhook_id)
        request.after_commit.append(lambda: self._waker.wake(CHANNEL))
        return Answer(status=202, body=answer)

    def _queued(self, request: ApiRequest[Any, Any], delivery: Delivery) -> Answer:
        request.after_commit.append(lambda: self._waker.wake(CHANNEL))
        place = f"/v1/webhooks/{delivery.webhook_id}/deliveries/{delivery.id}"
        return Answer(status=201, body=OneDelivery(delivery), headers={"Location": place})


class EventRoutes:
    tag = "Events"

    @endpoint(
        "GET",
        "/v1/events",
        scope=_READ,
        query=ListEvents,
        answers={200: Page[Envelope]},
        errors=(InvalidCursor,),
    )
    async def list(self, request: ApiRequest[None, ListEvents]) -> Answer:
        """List events, newest first, each as it was delivered."""
        place, wish = _place(request), request.query
        found = await events.list_events(
            request.connection,
            place.workspace_id,
            place.mode,
            limit=wish.limit,
            before=decode_cursor(wish.cursor),
            kinds=wish.kind.split(",") if wish.kind else None,
            number_id=wish.number_id,
            call_id=wish.call_id,
            created_after=wish.start,
            created_before=wish.end,
            allowed_numbers=place.number_ids,
        )
        return Answer(body=page(found, wish.limit, show_event, lambda event: event.id))

    @endpoint("GET", "/v1/events/{event_id}", scope=_READ, answers={200: OneEvent}, errors=(EventNotFound,))
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read an event."""
        return Answer(body=OneEvent(show_event(await _event(request))))

    @endpoint(
        "GET",
        "/v1/events/{event_id}/deliveries",
        scope=_READ,
        query=PageQuery,
        answers={200: Page[Delivery]},
        errors=(EventNotFound,),
    )
    async def deliveries(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List where an event was sent, newest first, with the log of every attempt.

        Those to a call's `webhook_url` and a number's `events_url` are here too.
        """
        event, wish = await _event(request), request.query
        rows = await repository.deliveries_of_event(
            request.connection, event.id, decode_cursor(wish.cursor), wish.limit + 1
        )
        log = await repository.attempts_of(request.connection, [row["id"] for row in rows])
        shown = page(rows, wish.limit, lambda row: show_delivery(row, log[row["id"]]), lambda row: row["id"])
        return Answer(body=shown)


async def _event(request: ApiRequest[Any, Any]) -> Event:
    place = _place(request)
    event_id = _id(request, "event_id", EventNotFound)
    event = await events.find_event(request.connection, place.workspace_id, place.mode, event_id)
    if event is None or (place.number_ids is not None and event.number_id not in place.number_ids):
        raise EventNotFound
    return event


def _place(request: ApiRequest[Any, Any]) -> Place:
    principal = request.principal
    return Place(workspace_id=principal.workspace_id, mode=principal.mode, number_ids=principal.number_ids)


def _delivery_ids(request: ApiRequest[Any, Any]) -> tuple[UUID, UUID]:
    return _id(request, "webhook_id", WebhookNotFound), _id(request, "delivery_id", DeliveryNotFound)


def _id(request: ApiRequest[Any, Any], name: str, unknown: type[Refusal]) -> UUID:
    """An id of the path; one that is no UUID names nothing."""
    try:
        return UUID(request.path[name])
    except ValueError:
        raise unknown from None


async def _audit(request: ApiRequest[Any, Any], action: str, webhook_id: UUID) -> None:
    actor = Actor.of(request.principal, request.source_address)
    await audit.record(request.connection, actor, action, str(webhook_id), now=request.now)
