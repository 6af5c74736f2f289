"""What the numbers room asks of others: a wallet, the outbox, and which destinations a workspace may call."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind, NumberPayload
from sautikitd.events.models import Event, Mode
from sautikitd.ids import uuid7
from sautikitd.numbers.models import NumberRecord
from sautikitd.wallet.models import Account, Cause, Details, EntryRef, Line


class RentalWallet(Protocol):
    """`at` dates the entry: in test mode by the workspace's own clock."""

    async def charge(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        lines: Sequence[Line],
        details: Details,
        *,
        at: datetime | None = None,
    ) -> EntryRef: ...

    async def refund(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        lines: Sequence[Line],
        details: Details,
        *,
        at: datetime | None = None,
    ) -> EntryRef: ...


class RentalNotices(Protocol):
    async def about_rental(
        self, connection: Connection, kind: EventKind, number: NumberRecord, now: datetime
    ) -> None:
        """Writes a mail to the workspace's owners: rental due, suspended, released, working again. Sent after commit."""
        ...

    async def about_renewals(self, connection: Connection, numbers: Sequence[NumberRecord]) -> None:
        """Writes one mail about the numbers of one workspace and mode that were renewed in a run; at least one."""
        ...


class ReleaseNotice(Protocol):
    async def about_release(self, connection: Connection, number: NumberRecord) -> None:
        """Writes a mail to the owners about a number that was given back."""
        ...


class EventRecorder(Protocol):
    async def record(self, connection: Connection, event: Event) -> None: ...


class DestinationPolicy(Protocol):
    async def destination_prefixes(
        self, connection: Connection, workspace_id: UUID, mode: Mode
    ) -> Sequence[str]: ...


def number_event(kind: EventKind, number: NumberRecord, data: NumberPayload, now: datetime) -> Event:
    return Event(
        id=uuid7(),
        workspace_id=number.workspace_id,
        mode=number.mode,
        kind=kind,
        data=msgspec.to_builtins(data),
        occurred_at=now,
        number_id=number.id,
    )
