"""Queues of callers, and those who wait in them."""

from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import msgspec

from sautikitd.database.pool import Record
from sautikitd.events.models import Mode

T = TypeVar("T", bound=msgspec.Struct)


class QueueResult(StrEnum):
    """How a caller left a queue: `queueResult` of the voice callback. The values are TwiML's, and `timeout`."""

    BRIDGED = "bridged"  # somebody took him, and they talked
    HANGUP = "hangup"
    LEAVE = "leave"  # by his wait URL or the API, or his flow was replaced
    TIMEOUT = "timeout"  # he waited for maxWait
    QUEUE_FULL = "queue-full"
    ERROR = "error"


class MemberStatus(StrEnum):
    WAITING = "waiting"
    TAKEN = "taken"  # by somebody whom he is being connected to, or talks to
    LEFT = "left"


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `caller_queues`."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    name: str
    created_at: datetime


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `queue_members`. Columns and fields carry the same names."""

    id: UUID
    queue_id: UUID
    call_id: UUID
    node_id: UUID
    status: MemberStatus
    seat_id: UUID | None
    taken_by_call_id: UUID | None
    taken_at: datetime | None
    entered_at: datetime
    left_at: datetime | None
    result: QueueResult | None


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What a waiting caller may be told. `average_seconds` is of those who were taken in the last hour."""

    position: int  # 1 is next
    size: int
    average_seconds: int


QUEUE_COLUMNS = ", ".join(f"caller_queues.{field}" for field in Queue.__struct_fields__)
MEMBER_COLUMNS = ", ".join(f"queue_members.{field}" for field in Member.__struct_fields__)


def queue_of(row: Record) -> Queue:
    return _converted(row, Queue)


def member_of(row: Record) -> Member:
    return _converted(row, Member)


def _converted(row: Record, kind: type[T]) -> T:
    """Rows hold text where structs have enumerations."""
    return msgspec.convert({field: row[field] for field in kind.__struct_fields__}, kind, strict=False)
