"""Conferences as clients see them."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from sautikitd.calls.requests import Url
from sautikitd.database.pool import Record
from sautikitd.http.fields import Cursor
from sautikitd.http.pagination import Limit
from sautikitd.rooms.models import Room, RoomStatus, Seat
from sautikitd.timestamps import rfc3339, shown

Rounds = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Conference(msgspec.Struct, frozen=True, kw_only=True):
    """A conference of the voice action of that name. `waiting` until the second participant, or one who may start it,
    comes; `participants` is how many are in it now. `recording_id` is the newest recording's, at `/v1/recordings`."""

    id: UUID
    name: str
    status: Literal["waiting", "live", "ended"]
    mode: str
    participants: int
    max_participants: int
    recorded: bool
    recording_id: UUID | None
    end_reason: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a conference. `number` is the far party's. With `coached_call_id` he is heard by that call alone."""

    call_id: UUID
    session_id: str
    number: str
    muted: bool
    held: bool
    coached_call_id: UUID | None
    ends_conference: bool
    joined_at: str
    left_at: str | None
    leave_reason: str | None


class OneConference(msgspec.Struct, frozen=True):
    conference: Conference


class OneParticipant(msgspec.Struct, frozen=True):
    participant: Participant


class ListConferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None
    status: Literal["waiting", "live", "ended"] | None = None
    name: str | None = None


class ListParticipants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`present=false` lists those who have left as well."""

    limit: Limit = 25
    cursor: Cursor = None
    present: bool = True


class HoldParticipant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url` is what he hears meanwhile: a sound file, or a URL that answers with `say` and `play`; default: music."""

    url: Url | None = None


class Announce(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text` is spoken `loop` times to everybody."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    language: Annotated[str, msgspec.Meta(max_length=32)] = "en-KE"
    voice: Annotated[str, msgspec.Meta(max_length=64)] = "woman"
    loop: Rounds = 1


class PlayToAll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sound file at `url` (WAV, MP3 or OGG) is played `loop` times to everybody."""

    url: Url
    loop: Rounds = 1


class Announced(msgspec.Struct, frozen=True):
    """Handed to the node that the conference is on, which speaks within a fraction of a second."""

    conference_id: UUID


def show_conference(room: Room, participants: int) -> Conference:
    status: Any = room.status.value
    return Conference(
        id=room.id,
        name=room.name,
        status=status,
        mode=room.mode,
        participants=0 if room.status is RoomStatus.ENDED else participants,
        max_participants=room.max_seats,
        recorded=room.recorded,
        recording_id=room.recording_id,
        end_reason=room.end_reason,
        created_at=rfc3339(room.created_at),
        started_at=shown(room.started_at),
        ended_at=shown(room.ended_at),
    )


def show_participant(seat: Seat, call: Record) -> Participant:
    """`call` has `session_id` and `party`."""
    return Participant(
        call_id=seat.call_id,
        session_id=call["session_id"],
        number=call["party"],
        muted=seat.muted,
        held=seat.held,
        coached_call_id=seat.coached_call_id,
        ends_conference=seat.ends,
        joined_at=rfc3339(seat.joined_at),
        left_at=shown(seat.left_at),
        leave_reason=seat.leave_reason,
    )
