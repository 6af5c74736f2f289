"""A workspace with what webhooks need of it, and shortcuts for tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection, Database, Record
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint, Event, Mode
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox
from sautikitd.webhooks.secrets import SubscriptionSecrets

SIGNING_SECRET = "whsec_" + "c2lnbmluZyBzZWNyZXQgb2YgdGhlIHdvcmtzcGFjZSE="


class FixedSigningSecrets:
    async def valid(self, connection: Connection, workspace_id: UUID, mode: Mode) -> Sequence[str]:
        return [SIGNING_SECRET]


@dataclass
class Workspace:
    database: Database
    clock: ManualClock
    box: SecretBox = field(default_factory=lambda: SecretBox([b"k" * 32]))
    id: UUID = field(default_factory=uuid7)

    async def create(self) -> None:
        slug = uuid4().hex[:8]
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, 'Test', $2, $2)",
                self.id,
                slug,
            )

    @property
    def secrets(self) -> SubscriptionSecrets:
        return SubscriptionSecrets(self.box)

    async def subscribe(
        self, url: str, *events: str, number_ids: Sequence[UUID] | None = None, mode: Mode = "test"
    ) -> tuple[UUID, str]:
        """A subscription's id and its secret."""
        webhook_id, now = uuid7(), self.clock.now()
        async with self.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO webhooks (id, workspace_id, mode, url, events, number_ids, created_at, updated_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
                webhook_id,
                self.id,
                mode,
                url,
                list(events) or ["*"],
                number_ids,
                now,
            )
            return webhook_id, await self.secrets.create(connection, webhook_id, now)

    def event(
        self,
        kind: str = "wallet.top_up",
        *,
        call_id: UUID | None = None,
        sequence: int | None = None,
        number_id: UUID | None = None,
        data: dict[str, object] | None = None,
        occurred_at: datetime | None = None,
    ) -> Event:
        return Event(
            id=uuid7(),
            workspace_id=self.id,
            mode="test",
            kind=kind,
            data=data if data is not None else {"amount_minor": 100},
            occurred_at=occurred_at or self.clock.now(),
            call_id=call_id,
            number_id=number_id,
            sequence=sequence,
        )

    async def emit(self, kind: str = "wallet.top_up", *urls: str, **of_event: object) -> Event:
        event = self.event(kind, **of_event)  # type: ignore[arg-type]
        async with self.database.transaction() as connection:
            await EventLog().record(connection, event, [Endpoint(url=url) for url in urls])
        return event

    async def call(self, *urls: str, length: int = 3) -> list[Event]:
        """The events of one call, in order, recorded one by one."""
        call_id = uuid7()
        kinds = ["call.started", *["call.ringing"] * (length - 2), "call.completed"]
        return [
            await self.emit(kind, *urls, call_id=call_id, sequence=number)
            for number, kind in enumerate(kinds, start=1)
        ]

    async def deliveries(self, columns: str = "*") -> list[Record]:
        async with self.database.connection() as connection:
            rows: list[Record] = await connection.fetch(
                f"SELECT {columns} FROM webhook_deliveries ORDER BY id"
            )
        return rows

    async def attempts(self) -> list[Record]:
        async with self.database.connection() as connection:
            rows: list[Record] = await connection.fetch(
                "SELECT * FROM webhook_attempts ORDER BY started_at, attempt"
            )
        return rows
