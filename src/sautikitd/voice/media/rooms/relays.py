"""Two legs of one codec that hear nothing but each other: what one sends goes out to the other as it is, decoded for
whoever listens here but never encoded again."""

from collections.abc import Callable, Sequence

import numpy as np

from sautikitd.voice.media.codecs.inlet import Inlet
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.rooms.mixing import Rooms
from sautikitd.voice.media.rows import Rows


class Relays:
    def __init__(self, rows: Rows, rooms: Rooms, leg_of: Callable[[int], Leg | None]) -> None:
        self._rows = rows
        self._rooms = rooms
        self._leg_of = leg_of

    def connect(self, legs: Sequence[Leg]) -> None:
        """Before a tick's frames are sent: gives each of `legs`, which have codecs of their own, the other's packets
        to send if that is all it is to hear now."""
        sources = [self._only_voice_for(leg) for leg in legs]
        for leg, source in zip(legs, sources, strict=True):
            if leg.outlet is not None:
                leg.outlet.listen_to(source)
            if leg.inlet is not None and leg.inlet not in sources:
                leg.inlet.taken.clear()

    def _only_voice_for(self, leg: Leg) -> Inlet | None:
        row = self._rooms.partner_of(leg.row)
        other = self._leg_of(row) if row is not None else None
        if other is None or other.inlet is None or other.codec is not leg.codec:
            return None
        rows = self._rows
        same = np.array_equal(rows.said[leg.row], rows.heard[other.row])
        return other.inlet if same else None
