"""Subscriptions: make, change, test, redeliver, replay. Transactions are the caller's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET

from sautikitd.database.pool import Connection, Record
from sautikitd.events.kinds import EventKind
from sautikitd.events.models import Event, Mode
from sautikitd.ids import uuid7
from sautikitd.webhooks import repository
from sautikitd.webhooks.disabling import discard_waiting
from sautikitd.webhooks.errors import (
    DeliveryNotFound,
    TooManyWebhooks,
    WebhookDisabled,
    WebhookNotFound,
)
from sautikitd.webhooks.repository import Place
from sautikitd.webhooks.requests import ChangeWebhook, CreateWebhook, Replay
from sautikitd.webhooks.secrets import SubscriptionSecrets
from sautikitd.webhooks.views import Delivery, ReplayAnswer, Webhook, show_delivery, show_webhook

MOST_WEBHOOKS = 100
"""Of one workspace and mode: every event is matched against all of them, in the transaction of its change."""


class Webhooks:
    def __init__(self, secrets: SubscriptionSecrets) -> None:
        self._secrets = secrets

    async def create(
        self, connection: Connection, place: Place, wish: CreateWebhook, now: datetime
    ) -> tuple[Webhook, str]:
        """Makes a subscription and its secret. Raises `TooManyWebhooks`."""
        if await repository.count_webhooks(connection, place) >= MOST_WEBHOOKS:
            raise TooManyWebhooks(most=MOST_WEBHOOKS)
        webhook_id = uuid7()
        await repository.insert_webhook(
            connection,
            webhook_id,
            place,
            url=wish.url,
            description=wish.description,
            events=_once(wish.events),
            number_ids=_within(place, wish.number_ids),
            enabled=wish.enabled,
            now=now,
        )
        secret = await self._secrets.create(connection, webhook_id, now)
        return show_webhook(await self._find(connection, place, webhook_id)), secret

    async def read(self, connection: Connection, place: Place, webhook_id: UUID) -> Webhook:
        return show_webhook(await self._find(connection, place, webhook_id))

    async def change(
        self, connection: Connection, place: Place, webhook_id: UUID, wish: ChangeWebhook, now: datetime
    ) -> Webhook:
        """Merges `wish` in. What waits for it goes to the new URL, or is discarded when it is disabled."""
        row = await self._find(connection, place, webhook_id, lock=True)
        url = row["url"] if wish.url is UNSET else wish.url
        events = row["events"] if wish.events is UNSET else _once(wish.events)
        enabled = row["enabled"] if wish.enabled is UNSET else wish.enabled
        numbers = row["number_ids"] if wish.number_ids is UNSET else _within(place, wish.number_ids)
        await repository.update_webhook(
            connection,
            webhook_id,
            url=url,
            description=row["description"] if wish.description is UNSET else wish.description,
            events=events,
            number_ids=numbers,
            enabled=enabled,
            now=now,
        )
        if row["enabled"] and not enabled:
            await discard_waiting(connection, [webhook_id], now, "the webhook was disabled")
        if url != row["url"] or (enabled and not row["enabled"]):
            await repository.forget_failures(connection, webhook_id)
        return show_webhook(await self._find(connection, place, webhook_id))

    async def delete(self, connection: Connection, place: Place, webhook_id: UUID, now: datetime) -> None:
        await self._find(connection, place, webhook_id, lock=True)
        await repository.delete_webhook(connection, webhook_id, now)
        await discard_waiting(connection, [webhook_id], now, "the webhook was deleted")

    async def rotate_secret(
        self, connection: Connection, place: Place, webhook_id: UUID, now: datetime
    ) -> tuple[Webhook, str, datetime]:
        """The new secret, and until when the old one signs along, by the real clock as `now` is."""
        row = await self._find(connection, place, webhook_id, lock=True)
        secret, until = await self._secrets.rotate(connection, webhook_id, now)
        return show_webhook(row), secret, until

    async def test(self, connection: Connection, place: Place, webhook_id: UUID, now: datetime) -> Delivery:
        """Queues a `webhook.test` event for this subscription alone."""
        await self._find_enabled(connection, place, webhook_id)
        event = Event(
            id=uuid7(),
            workspace_id=place.workspace_id,
            mode=place.mode,
            kind=EventKind.WEBHOOK_TEST,
            data={"webhook_id": str(webhook_id), "message": "This is a test event. Your endpoint works."},
            occurred_at=now,
        )
        await repository.insert_event(connection, event)
        delivery_id = await repository.insert_delivery(connection, webhook_id, event.id, "test", now)
        return await self._delivery(connection, webhook_id, delivery_id)

    async def delivery(
        self, connection: Connection, place: Place, webhook_id: UUID, delivery_id: UUID
    ) -> Delivery:
        await self._find(connection, place, webhook_id)
        return await self._delivery(connection, webhook_id, delivery_id)

    async def redeliver(
        self, connection: Connection, place: Place, webhook_id: UUID, delivery_id: UUID, now: datetime
    ) -> Delivery:
        """Queues the event of a delivery again: a new delivery, whatever became of the old one."""
        await self._find_enabled(connection, place, webhook_id)
        old = await self._delivery(connection, webhook_id, delivery_id)
        new = await repository.insert_delivery(connection, webhook_id, old.event_id, "redelivery", now)
        return await self._delivery(connection, webhook_id, new)

    async def replay(
        self, connection: Connection, place: Place, webhook_id: UUID, wish: Replay, now: datetime
    ) -> ReplayAnswer:
        """Queues the events of a span of time that match the subscription as it is now, missed ones too."""
        await self._find_enabled(connection, place, webhook_id)
        queued, go_on = await repository.replay(
            connection,
            webhook_id,
            start=wish.from_,
            end=wish.to or now,
            only_failed=wish.only_failed,
            now=now,
        )
        # With microseconds: cut to milliseconds it would lie before events already queued.
        continue_from = f"{go_on.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z" if go_on else None
        return ReplayAnswer(queued, go_on is not None, continue_from)

    async def _find(
        self, connection: Connection, place: Place, webhook_id: UUID, *, lock: bool = False
    ) -> Record:
        row = await repository.find_webhook(connection, place, webhook_id, lock=lock)
        if row is None:
            raise WebhookNotFound
        return row

    async def _find_enabled(self, connection: Connection, place: Place, webhook_id: UUID) -> Record:
        row = await self._find(connection, place, webhook_id)
        if not row["enabled"]:
            raise WebhookDisabled
        return row

    @staticmethod
    async def _delivery(connection: Connection, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        row = await repository.find_delivery(connection, webhook_id, delivery_id)
        if row is None:
            raise DeliveryNotFound
        attempts = await repository.attempts_of(connection, [delivery_id])
        return show_delivery(row, attempts[delivery_id])


async def url_set(connection: Connection, workspace_id: UUID, mode: Mode, url: str) -> None:
    """Call it when a number's `events_url` is set: a URL that rests after a 410 or five days of failures
    is tried again from now on."""
    await repository.forget_failures_of_url(connection, workspace_id, mode, url)


def _within(place: Place, number_ids: Sequence[UUID] | None) -> list[UUID] | None:
    """The number filter: without one, what the key may use."""
    if number_ids is not None:
        return list(number_ids)
    return None if place.number_ids is None else sorted(place.number_ids)


def _once(events: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(events))
