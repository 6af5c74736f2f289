"""The secrets deliveries are signed with: a subscription's own, or the workspace's signing secret."""

import base64
import os
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from sautikitd.database.pool import Connection, Database
from sautikitd.egress.signatures import SECRET_PREFIX
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.secretbox import CannotDecrypt, SecretBox
from sautikitd.webhooks.models import ClaimedDelivery

OVERLAP = timedelta(hours=24)
"""How long the old secret stays valid after a rotation; both sign until then."""

_REMEMBERED = 10_000

log = structlog.get_logger()


class SigningSecrets(Protocol):
    """The workspace's own signing secrets, which sign what goes to `events_url` and `webhook_url`."""

    async def valid(self, connection: Connection, workspace_id: UUID, mode: Mode) -> Sequence[str]:
        """All that are valid now, the newest first; `whsec_…`."""
        ...


def new_secret() -> str:
    """`whsec_` + base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(32)).decode()


class SubscriptionSecrets:
    """Secrets of subscriptions, sealed in the database; opened ones are remembered by their id."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self._opened: dict[UUID, str] = {}

    async def create(self, connection: Connection, webhook_id: UUID, now: datetime) -> str:
        """Makes the first secret of a subscription; the only time it is shown."""
        secret, secret_id = new_secret(), uuid7()
        await connection.execute(_INSERT, secret_id, webhook_id, self._seal(secret_id, secret), now)
        return secret

    async def rotate(self, connection: Connection, webhook_id: UUID, now: datetime) -> tuple[str, datetime]:
        """A new secret, and until when the one before it is valid too. Needs the webhook's row locked."""
        until = now + OVERLAP
        await connection.execute(_RETIRE, webhook_id, until)
        return await self.create(connection, webhook_id, now), until

    async def load(self, connection: Connection, secret_ids: Collection[UUID]) -> None:
        """Opens those not opened yet, so that `opened` knows them; one that does not open stops no other."""
        missing = [secret_id for secret_id in secret_ids if secret_id not in self._opened]
        if not missing:
            return
        if len(self._opened) > _REMEMBERED:
            self._opened.clear()
            missing = list(secret_ids)
        for row in await connection.fetch(_READ, missing):
            try:
                plain = self._box.open(row["secret_encrypted"], context=_context(row["id"]))
            except CannotDecrypt:
                log.exception("webhooks: a secret cannot be opened", secret=str(row["id"]))
            else:
                self._opened[row["id"]] = plain.decode()

    def knows(self, secret_ids: Collection[UUID]) -> bool:
        return all(secret_id in self._opened for secret_id in secret_ids)

    def opened(self, secret_ids: Sequence[UUID]) -> list[str]:
        return [self._opened[secret_id] for secret_id in secret_ids if secret_id in self._opened]

    def _seal(self, secret_id: UUID, secret: str) -> bytes:
        return self._box.seal(secret.encode(), context=_context(secret_id))


class DeliverySecrets:
    """Finds the secrets of a batch of claimed deliveries: one query for those of subscriptions not seen before.

    Signing secrets are asked for once a workspace and mode of the batch; their own cache answers.
    """

    def __init__(self, database: Database, own: SubscriptionSecrets, signing: SigningSecrets) -> None:
        self._database = database
        self._own = own
        self._signing = signing

    async def of(self, batch: Sequence[ClaimedDelivery]) -> list[Sequence[str]]:
        """The valid secrets of each delivery, newest first; empty where none is set."""
        wanted = {secret_id for delivery in batch for secret_id in delivery.secret_ids}
        places = {(d.workspace_id, d.mode) for d in batch if d.webhook_id is None}
        signing: dict[tuple[UUID, Mode], Sequence[str]] = {}
        if places or not self._own.knows(wanted):
            async with self._database.connection() as connection:
                await self._own.load(connection, wanted)
                for place in places:
                    signing[place] = await self._signing_of(connection, *place)
        return [
            self._own.opened(d.secret_ids) if d.webhook_id else signing[d.workspace_id, d.mode] for d in batch
        ]

    async def _signing_of(self, connection: Connection, workspace_id: UUID, mode: Mode) -> Sequence[str]:
        try:
            return await self._signing.valid(connection, workspace_id, mode)
        except CannotDecrypt:
            log.exception("webhooks: a signing secret cannot be opened", workspace=str(workspace_id))
            return []


def _context(secret_id: UUID) -> str:
    return f"webhook secret {secret_id}"


_INSERT = "INSERT INTO webhook_secrets (id, webhook_id, secret_encrypted, created_at) VALUES ($1, $2, $3, $4)"

# A secret retired before keeps its own, earlier end.
_RETIRE = "UPDATE webhook_secrets SET valid_until = $2 WHERE webhook_id = $1 AND valid_until IS NULL"

_READ = "SELECT id, secret_encrypted FROM webhook_secrets WHERE id = ANY ($1)"
