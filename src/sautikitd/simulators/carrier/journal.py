"""What happened on each simulated call, for demonstrations, debugging and tests."""

from collections import deque
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import msgspec

from sautikitd.clock import Clock

_ENDED_KEPT = 200
_HAPPENINGS_KEPT = 300


class Direction(StrEnum):
    RECEIVED = "received"  # the platform called one of our numbers
    PLACED = "placed"  # we called the platform


class Happening(msgspec.Struct, frozen=True):
    at: datetime
    what: str


class Entry(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """One call. `heard_ms` is how long the far end was heard to make a sound above -45 dBFS, pauses within and 200 ms
    around it included. `recording` is a WAV file, 8 kHz 16 bit: left what was heard, right what was said."""

    call_id: UUID
    direction: Direction
    from_: str
    to: str
    sip_call_id: str | None = None
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    cause: str | None = None  # a hangup cause of `calls.outcomes`
    sip_code: int | None = None
    hung_up_by: str | None = None
    digits: str = ""  # received, by RFC 4733, as tones, or in INFO
    heard_ms: int = 0
    recording: Path | None = None
    happenings: list[Happening] = []

    @property
    def current(self) -> bool:
        return self.ended_at is None


class Journal:
    """Current calls, and the last 200 that ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: dict[UUID, Entry] = {}
        self._ended: deque[Entry] = deque(maxlen=_ENDED_KEPT)

    @property
    def current(self) -> list[Entry]:
        return list(self._current.values())

    @property
    def ended(self) -> list[Entry]:
        return list(self._ended)

    def find(self, call_id: UUID) -> Entry | None:
        found = self._current.get(call_id)
        return found or next((entry for entry in self._ended if entry.call_id == call_id), None)

    def open(self, call_id: UUID, direction: Direction, caller: str, called: str) -> Entry:
        entry = Entry(
            call_id=call_id, direction=direction, from_=caller, to=called, started_at=self._clock.now()
        )
        self._current[call_id] = entry
        return entry

    def note(self, entry: Entry, what: str) -> None:
        if len(entry.happenings) < _HAPPENINGS_KEPT:
            entry.happenings.append(Happening(self._clock.now(), what))

    def close(self, entry: Entry) -> None:
        entry.ended_at = entry.ended_at or self._clock.now()
        del self._current[entry.call_id]
        self._ended.append(entry)
