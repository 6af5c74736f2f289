"""Rooms and seats as the database holds them."""

from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import msgspec

from sautikitd.database.pool import Record
from sautikitd.events.models import Form, Mode

T = TypeVar("T", bound=msgspec.Struct)

CHANNEL = "rooms"
"""The NOTIFY channel that wakes voice nodes when something changed in a room or a queue."""


class RoomKind(StrEnum):
    CONFERENCE = "conference"
    BRIDGE = (
        "bridge"  # of who was taken from a queue and his taker, or of two parties on two nodes; never listed
    )


class RoomStatus(StrEnum):
    WAITING = "waiting"  # everybody hears the wait music
    LIVE = "live"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a room ended."""

    EVERYBODY_LEFT = "everybody_left"
    PARTICIPANT_LEFT = "participant_left"  # one whose leaving ends it
    ENDED_BY_API = "ended_by_api"
    NODE_LOST = "node_lost"


class LeaveReason(StrEnum):
    """Why somebody left a room."""

    LEFT = "left"  # his flow went on or was replaced
    HANGUP = "hangup"
    KICKED = "kicked"
    CONFERENCE_ENDED = "conference_ended"
    NODE_LOST = "node_lost"
    TRANSFERRED = (
        "transferred"  # from a bridge: whom he has talked with handed him on, and is to be hung up on
    )
    FAILED = "failed"  # his sound could not be connected


class Beep(StrEnum):
    """When everybody hears a tone because of this participant."""

    NONE = "none"
    ENTER = "enter"
    EXIT = "exit"
    BOTH = "both"


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `rooms`. Columns and fields carry the same names."""

    id: UUID
    workspace_id: UUID
    mode: Mode
    kind: RoomKind
    name: str
    node_id: UUID
    owner_call_id: UUID
    status: RoomStatus
    max_seats: int
    status_url: str | None
    status_events: list[str]
    status_form: Form | None
    recording_status_url: str | None
    event_sequence: int
    version: int
    recorded: bool
    recording_id: UUID | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a link: where it receives RTP; `in_band`: the leg beside it knows keys as tones only."""

    address: str
    port: int
    in_band: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a leg of another node is connected: the end beside the leg, and the end in the room."""

    guest: End | None = None
    home: End | None = None


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `room_seats`. Columns and fields carry the same names."""

    id: UUID
    room_id: UUID
    call_id: UUID
    node_id: UUID
    muted: bool
    held: bool
    hold_url: str | None
    coached_call_id: UUID | None
    starts: bool
    ends: bool
    beep: Beep
    link: Link
    seated_at: datetime | None
    joined_at: datetime
    left_at: datetime | None
    leave_reason: str | None


class NewRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What a room is made with, by who comes first."""

    workspace_id: UUID
    mode: Mode
    kind: RoomKind
    node_id: UUID
    owner_call_id: UUID
    name: str = ""
    max_seats: int = 2
    recorded: bool = False
    status_url: str | None = None
    status_events: tuple[str, ...] = ()
    status_form: Form | None = None
    recording_status_url: str | None = None


class NewSeat(msgspec.Struct, frozen=True, kw_only=True):
    call_id: UUID
    node_id: UUID
    muted: bool = False
    coached_call_id: UUID | None = None
    starts: bool = True
    ends: bool = False
    beep: Beep = Beep.NONE


ROOM_COLUMNS = ", ".join(f"rooms.{field}" for field in Room.__struct_fields__)
SEAT_COLUMNS = ", ".join(f"room_seats.{field}" for field in Seat.__struct_fields__)


def room_of(row: Record) -> Room:
    return _converted(row, Room)


def seat_of(row: Record) -> Seat:
    return _converted(row, Seat)


def _converted(row: Record, kind: type[T]) -> T:
    """Rows hold text where structs have enumerations."""
    return msgspec.convert({field: row[field] for field in kind.__struct_fields__}, kind, strict=False)
