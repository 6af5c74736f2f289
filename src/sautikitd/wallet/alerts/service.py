"""Who is told of a low balance: asked first, at most twenty, gone with one click (contract §7)."""

from datetime import datetime, timedelta
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.errors import Refusal
from sautikitd.ids import uuid7
from sautikitd.mail import letters
from sautikitd.mail.outbox import Mail, post
from sautikitd.mail.owners import owners_of
from sautikitd.wallet.alerts import repository
from sautikitd.wallet.alerts.links import AlertLinks
from sautikitd.wallet.alerts.repository import Subscriber
from sautikitd.wallet.models import Account

CONFIRM_WITHIN = timedelta(days=7)
MOST = 20


class SubscriberNotFound(Refusal):
    code = "wallet.subscriber_not_found"
    status = 404
    message = "There is no such subscriber here (any more). GET /v1/wallet/alert/subscribers lists them."


class TooManySubscribers(Refusal):
    code = "wallet.too_many_subscribers"
    status = 409
    message = f"A workspace has at most {MOST} alert subscribers. Remove one first."


class AlertSubscribers:
    def __init__(self, links: AlertLinks) -> None:
        self._links = links

    async def listed(self, connection: Connection, account: Account, now: datetime) -> list[Subscriber]:
        """Newest first. Those who let their seven days pass are not shown."""
        found = await repository.every(connection, account)
        return [one for one in found if one.status == "confirmed" or one.confirm_until > now]

    async def add(
        self, connection: Connection, account: Account, email: str, now: datetime
    ) -> tuple[Subscriber, bool]:
        """The subscriber, and whether he is new: then he is asked by mail. Raises `TooManySubscribers`."""
        await repository.lock_list(connection, account)
        await repository.forget_lapsed(connection, account, now)
        known = await repository.every(connection, account)
        for one in known:
            if one.email.lower() == email.lower():
                return one, False
        if len(known) >= MOST:
            raise TooManySubscribers
        made = await repository.add(connection, account, uuid7(), email, now + CONFIRM_WITHIN, now)
        owners = await owners_of(connection, account.workspace_id)
        letter = letters.confirm_alerts(owners.workspace, self._links.url("confirm", made.id))
        await post(connection, [Mail(recipient=email, letter=letter, workspace_id=account.workspace_id)], now)
        return made, True

    async def remove(self, connection: Connection, account: Account, subscriber_id: UUID) -> None:
        """Raises `SubscriberNotFound`."""
        if not await repository.remove(connection, account, subscriber_id):
            raise SubscriberNotFound
