"""Which trunks a number may go over, and in which order. Nothing here asks the database."""

import random
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.trunks.models import TrunkState

NO_CAP = 1e9


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What of a trunk decides. `tokens` are those of `max_cps`, as of `tokens_at` (None: as many as may be)."""

    id: UUID
    prefixes: tuple[str, ...]
    priority: int
    weight: int
    state: TrunkState
    max_channels: int | None
    max_cps: float | None
    tokens: float = 1.0
    tokens_at: datetime | None = None

    @property
    def capped(self) -> bool:
        return self.max_channels is not None or self.max_cps is not None

    def tokens_now(self, now: datetime) -> float:
        """Refilled at `max_cps` a second; never more than a second's worth, and room for one at least."""
        if self.max_cps is None:
            return NO_CAP
        most = max(self.max_cps, 1.0)
        if self.tokens_at is None:
            return most
        return min(most, self.tokens + (now - self.tokens_at).total_seconds() * self.max_cps)


class Room(msgspec.Struct, kw_only=True):
    """What is left of a capped trunk while calls are given out; tokens may be overdrawn by the legs of one claim."""

    channels: float
    tokens: float

    @classmethod
    def idle(cls, way: Way) -> "Room":
        return cls(
            channels=NO_CAP if way.max_channels is None else way.max_channels,
            tokens=NO_CAP if way.max_cps is None else max(way.max_cps, 1.0),
        )

    def take(self) -> None:
        self.channels -= 1
        self.tokens -= 1


def ranked(
    ways: Iterable[Way], number: str, *, without: Collection[UUID] = (), chance: random.Random
) -> list[Way]:
    """The trunks that take `number` (E.164), the one to try first in front.

    Those known to be down come last; then the longest prefix that matches goes first, then the lowest priority, and
    among equals each leads as often as its weight says (a weighted shuffle: Efraimidis and Spirakis 2006).
    """
    digits = number.removeprefix("+")
    fitting = [
        (match, way) for way in ways if way.id not in without and (match := _match(way, digits)) is not None
    ]
    return [
        way
        for _, way in sorted(
            fitting,
            key=lambda item: (
                item[1].state is TrunkState.FAILED,
                -item[0],
                item[1].priority,
                -(chance.random() ** (1 / item[1].weight)),
            ),
        )
    ]


def assign(rankings: Sequence[Sequence[Way]], rooms: dict[UUID, Room]) -> list[Way | None]:
    """For each number the first trunk of its ranking with room, None where there is none. Takes from `rooms`.

    The rate asks only whether a token is there for the first leg of the claim: legs that ring together start together.
    """
    started = {trunk_id for trunk_id, room in rooms.items() if room.tokens >= 1}
    chosen: list[Way | None] = []
    for ranking in rankings:
        way = next((one for one in ranking if _has_room(one, rooms, started)), None)
        if way is not None and way.id in rooms:
            rooms[way.id].take()
        chosen.append(way)
    return chosen


def _has_room(way: Way, rooms: dict[UUID, Room], started: Collection[UUID]) -> bool:
    room = rooms.get(way.id)
    return room is None or (room.channels >= 1 and way.id in started)


def _match(way: Way, digits: str) -> int | None:
    """The length of the longest prefix that fits; 0 for a trunk that takes everything, None for one that does not."""
    if not way.prefixes:
        return 0
    return max((len(prefix) for prefix in way.prefixes if digits.startswith(prefix)), default=None)
