"""Queues of callers as clients see them."""

from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Record
from sautikitd.http.fields import Cursor
from sautikitd.http.pagination import Limit
from sautikitd.timestamps import rfc3339, shown


class CallerQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of the voice action `enqueue`, made when its first caller enters. `size` is how many wait now."""

    id: UUID
    name: str
    mode: str
    size: int
    oldest_entered_at: str | None
    created_at: str


class QueueMember(msgspec.Struct, frozen=True, kw_only=True):
    """A caller in a queue: he waits at `position` (1 is next), or was taken and is being connected or talked to."""

    call_id: UUID
    number: str
    status: Literal["waiting", "taken"]
    position: int | None
    entered_at: str
    taken_at: str | None
    taken_by_call_id: UUID | None


class OneQueue(msgspec.Struct, frozen=True):
    queue: CallerQueue


class OneMember(msgspec.Struct, frozen=True):
    member: QueueMember


class ListQueues(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None
    name: str | None = None


def show_queue(row: Record) -> CallerQueue:
    return CallerQueue(
        id=row["id"],
        name=row["name"],
        mode=row["mode"],
        size=row["size"],
        oldest_entered_at=shown(row["oldest_at"]),
        created_at=rfc3339(row["created_at"]),
    )


def show_member(row: Record) -> QueueMember:
    return QueueMember(
        call_id=row["call_id"],
        number=row["party"],
        status=row["status"],
        position=row["position"],
        entered_at=rfc3339(row["entered_at"]),
        taken_at=shown(row["taken_at"]),
        taken_by_call_id=row["taken_by_call_id"],
    )
