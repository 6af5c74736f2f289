"""The booth of a room: a seat without a phone, from which announcements are made and where the room is recorded.

What is announced in a booth is heard by everybody in its room who hears at all. A recording of the booth
(`Recorder.start` with `include_sent`) holds the whole room and the announcements, but no whispers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.protocol import Event, PlayFinished
from sautikitd.voice.media.rooms.mixing import Rooms, Seat
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.sounding.playback import Playback
from sautikitd.voice.media.tape.recording import Recording


@dataclass(slots=True, eq=False)
class Booth:
    """Named like a leg, so that its events and its recordings can be told like a leg's."""

    leg_id: str
    row: int
    announcements: dict[str, Playback] = field(default_factory=dict)
    recordings: list[Recording] = field(default_factory=list)


class Booths:
    def __init__(self, rows: Rows, rooms: Rooms, emit: Callable[[Event], None]) -> None:
        self._rows = rows
        self._rooms = rooms
        self._emit = emit
        self._booths: dict[str, Booth] = {}
        self._frame = np.zeros(FRAME_SAMPLES, np.int16)

    @property
    def plays(self) -> int:
        return sum(len(booth.announcements) for booth in self._booths.values())

    def find(self, booth_id: str) -> Booth | None:
        return self._booths.get(booth_id)

    def open(self, booth_id: str, room: str) -> None:
        """Raises `NoRows`, ValueError for an id that is taken."""
        if booth_id in self._booths:
            raise ValueError(f"the booth {booth_id} is open already")
        row = self._rows.take()
        self._booths[booth_id] = Booth(booth_id, row)
        self._rooms.join(row, Seat(booth_id, room))

    def close(self, booth: Booth) -> None:
        """Its recordings must have ended."""
        self.hush(booth)
        self._rooms.leave(booth.row)
        del self._booths[booth.leg_id]
        self._rows.give_back(booth.row)

    def announce(self, booth: Booth, playback: Playback) -> None:
        """Several at once are heard together; one of the same id is replaced."""
        self.hush(booth, playback.play_id)
        booth.announcements[playback.play_id] = playback

    def hush(self, booth: Booth, play_id: str | None = None) -> None:
        """Cuts one announcement short, or all; nothing where it is over."""
        for name in [play_id] if play_id else list(booth.announcements):
            if booth.announcements.pop(name, None) is not None:
                self._emit(PlayFinished(leg_id=booth.leg_id, play_id=name, completed=False))

    def speak(self) -> None:
        """This tick's announcements, as if the booths had heard them from a phone; before the rooms are mixed."""
        for booth in self._booths.values():
            self._rows.heard[booth.row] = 0
            if booth.announcements:
                self._announce(booth)

    def _announce(self, booth: Booth) -> None:
        both = np.zeros(FRAME_SAMPLES, np.int32)
        for name, playback in list(booth.announcements.items()):
            if playback.fill(self._frame):
                both += self._frame
            else:
                del booth.announcements[name]
                self._emit(PlayFinished(leg_id=booth.leg_id, play_id=name, completed=True))
        self._rows.heard[booth.row] = np.clip(both, -32768, 32767)
