"""The audit log: every privileged act, written in the transaction of the act. Rows are never changed."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from sautikitd.csv_lines import csv_lines
from sautikitd.database.changing import Change
from sautikitd.database.pool import Connection, Database, Record
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal
from sautikitd.ids import uuid7
from sautikitd.timestamps import encode_json, rfc3339

_EXPORT_BATCH = 1_000

ActorKind = Literal["user", "api_key", "staff", "system"]


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, in which workspace and mode, and from where."""

    kind: ActorKind
    id: str
    workspace_id: UUID | None = None
    mode: Mode | None = None
    source: str | None = None

    @classmethod
    def of(cls, principal: Principal, source: str | None) -> "Actor":
        return cls(
            kind=principal.kind,
            id=str(principal.id),
            workspace_id=principal.workspace_id,
            mode=principal.mode,
            source=source,
        )


OPERATOR = Actor(kind="staff", id="command-line")


class AuditEntry(msgspec.Struct, kw_only=True):
    """One act. `action` is dotted, like `number.claim`; `target` the id of what was acted on."""

    id: UUID
    actor_kind: ActorKind
    actor_id: str
    action: str
    target: str
    detail: dict[str, Any]
    source_address: str | None
    mode: Mode | None
    created_at: str


async def record(
    connection: Connection,
    actor: Actor,
    action: str,
    target: str = "",
    detail: dict[str, Any] | None = None,
    *,
    now: datetime,
) -> None:
    """Writes one act. `detail` must hold nothing secret."""
    who = (actor.workspace_id, actor.mode, actor.kind, actor.id)
    written = msgspec.json.encode(detail or {}).decode()
    row = (uuid7(), *who, action, target, written, actor.source, now)
    if (acts := _ACTS.get()) is not None:
        acts.actions.append(action)
        if connection is acts.change.connection:
            acts.change.at_last("record_act", *row)
            return
    await connection.execute(_RECORD, *row)


@dataclass(frozen=True)
class Acts:
    """What is recorded while a request is answered, by name."""

    change: Change
    actions: list[str] = field(default_factory=list)


@contextmanager
def noting(change: Change) -> Iterator[Acts]:
    """What this task records in the block is written with the commit of `change`, where it is part of it; and the HTTP
    layer learns of it, so that it adds nothing twice."""
    acts = Acts(change)
    token = _ACTS.set(acts)
    try:
        yield acts
    finally:
        _ACTS.reset(token)


class AuditFilters(msgspec.Struct, frozen=True, kw_only=True):
    """`created_after` is included, `created_before` is not; `action` is a whole one, like `number.claim`."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    action: str | None = None


async def newest(
    connection: Connection,
    principal: Principal,
    filters: AuditFilters,
    *,
    after: UUID | None,
    limit: int,
) -> list[AuditEntry]:
    """The acts of the principal's workspace in its mode, newest first; acts of no mode are shown in both."""
    wanted = (filters.created_after, filters.created_before, filters.action)
    rows = await connection.fetch(_NEWEST, principal.workspace_id, principal.mode, after, *wanted, limit)
    return [_entry(row) for row in rows]


async def export(database: Database, principal: Principal, filters: AuditFilters) -> AsyncIterator[bytes]:
    """The same acts, all of them, as CSV; `detail` is JSON. A batch at a time, each on a connection of its own."""
    yield csv_lines([AuditEntry.__struct_fields__])
    after: UUID | None = None
    while True:
        async with database.connection() as connection:
            batch = await newest(connection, principal, filters, after=after, limit=_EXPORT_BATCH)
        if batch:
            yield csv_lines([_csv_row(entry) for entry in batch])
        if len(batch) < _EXPORT_BATCH:
            return
        after = batch[-1].id


def _csv_row(entry: AuditEntry) -> Sequence[object]:
    shown = msgspec.structs.asdict(entry) | {"detail": encode_json(entry.detail).decode()}
    return tuple(shown.values())


def _entry(row: Record) -> AuditEntry:
    return AuditEntry(**dict(row, created_at=rfc3339(row["created_at"])))


_ACTS: ContextVar[Acts | None] = ContextVar("acts recorded", default=None)

_RECORD = "SELECT record_act($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"

_NEWEST = """
SELECT id, actor_kind, actor_id, action, target, detail, source_address, mode, created_at
FROM audit_log
WHERE workspace_id = $1 AND (mode = $2 OR mode IS NULL) AND ($3::uuid IS NULL OR id < $3)
  AND ($4::timestamptz IS NULL OR created_at >= $4)
  AND ($5::timestamptz IS NULL OR created_at < $5)
  AND ($6::text IS NULL OR action = $6)
ORDER BY id DESC LIMIT $7
"""
