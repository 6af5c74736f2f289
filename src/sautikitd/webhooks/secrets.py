"""The secrets deliveries are signed with: a subscription's own, or the workspace's signing secret."""

import base64
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.egress.signatures import SECRET_PREFIX
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.webhooks.models import ClaimedDelivery

OVERLAP = timedelta(hours=24)
"""How long the old secret stays valid after a rotation; both sign until then."""

_SIGNING_CACHE_S = 1.0
_REMEMBERED = 10_000


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

    async def load(self, connection: Connection, secret_ids: Sequence[UUID]) -> None:
        """Opens those not opened yet, so that `opened` knows them."""
        missing = [secret_id for secret_id in secret_ids if secret_id not in self._opened]
        if not missing:
            return
        if len(self._opened) > _REMEMBERED:
            self._opened.clear()
            missing = list(secret_ids)
        for row in await connection.fetch(_READ, missing):
            plain = self._box.open(row["secret_encrypted"], context=_context(row["id"]))
            self._opened[row["id"]] = plain.decode()

    def opened(self, secret_ids: Sequence[UUID]) -> list[str]:
        return [self._opened[secret_id] for secret_id in secret_ids if secret_id in self._opened]

    def _seal(self, secret_id: UUID, secret: str) -> bytes:
        return self._box.seal(secret.encode(), context=_context(secret_id))


class DeliverySecrets:
    """Finds the secrets of a batch of claimed deliveries with at most one query a kind and workspace."""

    def __init__(
        self, database: Database, own: SubscriptionSecrets, signing: SigningSecrets, clock: Clock
    ) -> None:
        self._database = database
        self._own = own
        self._signing = signing
        self._clock = clock
        self._workspaces: dict[tuple[UUID, Mode], tuple[float, Sequence[str]]] = {}

    async def of(self, batch: Sequence[ClaimedDelivery]) -> list[Sequence[str]]:
        """The valid secrets of each delivery, newest first; empty where none is set."""
        wanted = {i for delivery in batch for i in delivery.secret_ids}
        foreign = {(d.workspace_id, d.mode) for d in batch if d.webhook_id is None}
        stale = [place for place in foreign if not self._is_fresh(place)]
        if stale or not all(self._own.opened([i]) for i in wanted):
            async with self._database.connection() as connection:
                await self._own.load(connection, list(wanted))
                await self._refresh(connection, stale)
        return [
            self._own.opened(d.secret_ids) if d.webhook_id else self._workspaces[d.workspace_id, d.mode][1]
            for d in batch
        ]

    async def _refresh(self, connection: Connection, stale: Sequence[tuple[UUID, Mode]]) -> None:
        if len(self._workspaces) > _REMEMBERED:
            self._workspaces = {
                place: kept for place, kept in self._workspaces.items() if self._is_fresh(place)
            }
        for workspace_id, mode in stale:
            secrets = await self._signing.valid(connection, workspace_id, mode)
            self._workspaces[workspace_id, mode] = (self._clock.monotonic() + _SIGNING_CACHE_S, secrets)

    def _is_fresh(self, place: tuple[UUID, Mode]) -> bool:
        kept = self._workspaces.get(place)
        return kept is not None and kept[0] > self._clock.monotonic()


def _context(secret_id: UUID) -> str:
    return f"webhook secret {secret_id}"


_INSERT = "INSERT INTO webhook_secrets (id, webhook_id, secret_encrypted, created_at) VALUES ($1, $2, $3, $4)"

# A secret retired before keeps its own, earlier end.
_RETIRE = "UPDATE webhook_secrets SET valid_until = $2 WHERE webhook_id = $1 AND valid_until IS NULL"

_READ = "SELECT id, secret_encrypted FROM webhook_secrets WHERE id = ANY ($1)"
