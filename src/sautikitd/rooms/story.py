"""What is told of conferences: `conference.*` events, in the transaction of the change, numbered within the room."""

from datetime import datetime
from typing import Any

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import ConferencePayload, EventKind
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint, Event, Form
from sautikitd.ids import uuid7
from sautikitd.rooms import repository
from sautikitd.rooms.models import Room, RoomKind, Seat


class RoomStory:
    def __init__(self, events: EventLog) -> None:
        self._events = events

    async def tell(
        self,
        connection: Connection,
        room: Room,
        kind: EventKind,
        now: datetime,
        *,
        seat: Seat | None = None,
        **facts: Any,
    ) -> None:
        """Writes one event of a locked conference; bridges are told by their calls and their queue."""
        if room.kind is not RoomKind.CONFERENCE:
            return
        sequence = await repository.next_sequence(connection, room.id)
        payload = ConferencePayload(
            conference_id=room.id,
            name=room.name,
            status=room.status,
            sequence=sequence,
            participants=len(await repository.seats(connection, room.id)),
            **(await self._of_seat(connection, seat) if seat else {}),
            **facts,
        )
        event = Event(
            id=uuid7(),
            workspace_id=room.workspace_id,
            mode=room.mode,
            kind=kind,
            call_id=seat.call_id if seat else None,
            data=msgspec.to_builtins(payload),
            occurred_at=now,
        )
        told = []
        if room.status_url is not None and kind in room.status_events:
            told = [Endpoint(url=room.status_url, form=room.status_form)]
        await self._events.record(connection, event, told)

    @staticmethod
    async def _of_seat(connection: Connection, seat: Seat) -> dict[str, Any]:
        numbers = await repository.numbers_of(connection, [seat.call_id])
        return {
            "call_id": seat.call_id,
            "number": numbers.get(seat.call_id),
            "muted": seat.muted,
            "held": seat.held,
            "coached_call_id": seat.coached_call_id,
            "start_on_enter": seat.starts,
            "end_on_exit": seat.ends,
        }


def seconds_since(start: datetime | None, now: datetime) -> int:
    return 0 if start is None else max(0, round((now - start).total_seconds()))


STATUS_EVENTS: dict[str, tuple[EventKind, ...]] = {
    "start": (EventKind.CONFERENCE_STARTED,),
    "end": (EventKind.CONFERENCE_ENDED,),
    "join": (EventKind.CONFERENCE_PARTICIPANT_JOINED,),
    "leave": (EventKind.CONFERENCE_PARTICIPANT_LEFT,),
    "mute": (EventKind.CONFERENCE_PARTICIPANT_MUTED,),
    "unmute": (EventKind.CONFERENCE_PARTICIPANT_UNMUTED,),
    "hold": (EventKind.CONFERENCE_PARTICIPANT_HELD, EventKind.CONFERENCE_PARTICIPANT_UNHELD),
    "record": (EventKind.CONFERENCE_RECORDING_STARTED, EventKind.CONFERENCE_RECORDING_STOPPED),
}
"""The words of `conference.statusEvents`, and the events that each asks for."""


TWILIO_STATUS_EVENTS: dict[str, tuple[EventKind, ...]] = {
    **{word: STATUS_EVENTS[word] for word in ("start", "end", "join", "leave", "hold")},
    "mute": (*STATUS_EVENTS["mute"], *STATUS_EVENTS["unmute"]),
}
"""The words of TwiML's `statusCallbackEvent`: there `mute` is both ways, and recordings are not among them."""


def kinds_of(words: tuple[str, ...], form: Form | None = None) -> tuple[str, ...]:
    """The kinds of event that a `statusEvents` asks for; without any word, all of them."""
    known = TWILIO_STATUS_EVENTS if form == "twilio" else STATUS_EVENTS
    kinds = [kind.value for word in words or known for kind in known.get(word, ())]
    return tuple(dict.fromkeys(kinds))
