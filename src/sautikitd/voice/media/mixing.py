"""Rooms: everybody in a room hears the sum of the others. All rooms are mixed in one pass over the rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.rows import Rows


@dataclass(frozen=True, slots=True)
class Seat:
    room: str
    muted: bool
    deaf: bool


class Rooms:
    def __init__(self) -> None:
        self._seats: dict[int, Seat] = {}
        self._order = np.zeros(0, np.int64)  # rows, room by room
        self._starts = np.zeros(0, np.int64)  # where each room begins in the order
        self._room_of = np.zeros(0, np.int64)
        self._speaks = np.zeros((0, 1), np.int32)
        self._hears = np.zeros((0, 1), np.int32)

    def __len__(self) -> int:
        return len(self._starts)

    def join(self, row: int, seat: Seat) -> None:
        """Takes a seat, or changes it; a row sits in one room."""
        self._seats[row] = seat
        self._arrange()

    def leave(self, row: int) -> None:
        if self._seats.pop(row, None) is not None:
            self._arrange()

    def _arrange(self) -> None:
        rows = sorted(self._seats, key=lambda row: self._seats[row].room)
        rooms = [self._seats[row].room for row in rows]
        starts = [index for index, room in enumerate(rooms) if index == 0 or rooms[index - 1] != room]
        self._order = np.array(rows, np.int64)
        self._starts = np.array(starts, np.int64)
        self._room_of = (
            np.repeat(np.arange(len(starts)), np.diff([*starts, len(rows)])) if rows else self._order
        )
        self._speaks = np.array([[not self._seats[row].muted] for row in rows], np.int32).reshape(-1, 1)
        self._hears = np.array([[not self._seats[row].deaf] for row in rows], np.int32).reshape(-1, 1)

    def mix(self, rows: Rows) -> None:
        """Writes into `rows.said` of each seated row the saturated sum of what the others of its room say."""
        if not len(self._starts):
            return
        spoken = rows.heard[self._order].astype(np.int32) * self._speaks
        totals: NDArray[np.int32] = np.add.reduceat(spoken, self._starts, axis=0)
        others = (totals[self._room_of] - spoken) * self._hears
        rows.said[self._order] = np.clip(others, -32768, 32767)
