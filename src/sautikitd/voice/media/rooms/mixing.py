"""Rooms: who hears whom. Everybody hears the sum of the others; a coach is heard by those he is there for alone.

All rooms are mixed in one pass over the rows; where two talk to each other alone, which is nearly every call, each is
simply told what the other says.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.rows import Rows


@dataclass(frozen=True, slots=True)
class Seat:
    """`muted` is heard by nobody, `deaf` hears nobody. With `heard_by` (leg ids) only these, where they sit in the
    same room, hear him, and he hears everybody: an empty set listens, a set of one whispers."""

    leg_id: str
    room: str
    muted: bool = False
    deaf: bool = False
    heard_by: frozenset[str] | None = None


class Rooms:
    def __init__(self) -> None:
        self._seats: dict[int, Seat] = {}
        self._partners: dict[int, int] = {}
        self._changed = False  # who sits where, since the arrays below were made
        self._order = np.zeros(0, np.int64)  # rows of the other rooms, room by room
        self._talkers = np.zeros(0, np.int64)  # rows that sit two and two and hear just each other ...
        self._others = np.zeros(0, np.int64)  # ... and whom each of them hears
        self._count = 0  # of rooms
        self._starts = np.zeros(0, np.int64)  # where each room begins in the order
        self._room_of = np.zeros(0, np.int64)
        self._speaks = np.zeros((0, 1), np.int32)
        self._hears = np.zeros((0, 1), np.int32)
        # Whispers, as places in the order: who speaks to whom.
        self._whisperers = np.zeros(0, np.int64)
        self._whispered_to = np.zeros(0, np.int64)

    def __len__(self) -> int:
        if self._changed:
            self._arrange()
        return self._count

    def join(self, row: int, seat: Seat) -> None:
        """Takes a seat, or changes it; a row sits in one room."""
        self._seats[row] = seat
        self._changed = True

    def leave(self, row: int) -> None:
        if self._seats.pop(row, None) is not None:
            self._changed = True

    def partner_of(self, row: int) -> int | None:
        """The only other one in a row's room; None where there is nobody or more than one."""
        return self._partners.get(row)

    def _arrange(self) -> None:
        self._changed = False
        self._partners = _pairs(self._seats)
        self._count = len({seat.room for seat in self._seats.values()})
        talkers = [
            row
            for row, other in self._partners.items()
            if all(_talks(self._seats[either]) for either in (row, other))
        ]
        self._talkers = np.array(talkers, np.int64)
        self._others = np.array([self._partners[row] for row in talkers], np.int64)
        rows = sorted(self._seats.keys() - set(talkers), key=lambda row: self._seats[row].room)
        seats = [self._seats[row] for row in rows]
        rooms = [seat.room for seat in seats]
        starts = [index for index, room in enumerate(rooms) if index == 0 or rooms[index - 1] != room]
        self._order = np.array(rows, np.int64)
        self._starts = np.array(starts, np.int64)
        self._room_of = (
            np.repeat(np.arange(len(starts)), np.diff([*starts, len(rows)])) if rows else self._order
        )
        aloud = [not seat.muted and seat.heard_by is None for seat in seats]
        self._speaks = np.array(aloud, np.int32).reshape(-1, 1)
        self._hears = np.array([not seat.deaf for seat in seats], np.int32).reshape(-1, 1)
        whispers = list(_whispers(seats))
        self._whisperers = np.array([speaker for speaker, _ in whispers], np.int64)
        self._whispered_to = np.array([hearer for _, hearer in whispers], np.int64)

    def mix(self, rows: Rows) -> None:
        """Writes into `rows.said` of each seated row the saturated sum of what the others of its room say."""
        if not len(self):
            return
        if self._talkers.size:
            rows.said[self._talkers] = rows.heard.take(self._others, axis=0)
        if not self._order.size:
            return
        said = rows.heard[self._order].astype(np.int32)
        aloud = said * self._speaks
        totals: NDArray[np.int32] = np.add.reduceat(aloud, self._starts, axis=0)
        others = totals[self._room_of] - aloud
        if self._whisperers.size:
            np.add.at(others, self._whispered_to, said[self._whisperers])
        others *= self._hears
        rows.said[self._order] = np.clip(others, -32768, 32767)


def _talks(seat: Seat) -> bool:
    """Hears everybody, and is heard by everybody."""
    return not seat.muted and not seat.deaf and seat.heard_by is None


def _pairs(seats: dict[int, Seat]) -> dict[int, int]:
    """Of rooms for two, each row with the other's."""
    rooms: dict[str, list[int]] = {}
    for row, seat in seats.items():
        rooms.setdefault(seat.room, []).append(row)
    pairs = [rows for rows in rooms.values() if len(rows) == 2]
    return {one: other for first, second in pairs for one, other in ((first, second), (second, first))}


def _whispers(seats: list[Seat]) -> list[tuple[int, int]]:
    """Pairs of places: who whispers, and who hears it."""
    place_of = {(seat.room, seat.leg_id): place for place, seat in enumerate(seats)}
    return [
        (place, place_of[seat.room, name])
        for place, seat in enumerate(seats)
        if seat.heard_by and not seat.muted
        for name in seat.heard_by
        if (seat.room, name) in place_of and name != seat.leg_id
    ]
