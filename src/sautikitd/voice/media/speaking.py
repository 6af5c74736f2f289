"""What the platform says on the legs: plays, and digits, frame by frame."""

from collections.abc import Callable

import numpy as np

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.playback import Playback
from sautikitd.voice.media.protocol import Event, PlayFinished
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.telephone_event import EventPacket


class Speaking:
    def __init__(self, rows: Rows, emit: Callable[[Event], None]) -> None:
        self._rows = rows
        self._emit = emit
        self._active: dict[int, Leg] = {}  # legs that play or send digits, by row
        self._frame = np.zeros(FRAME_SAMPLES, np.int16)

    @property
    def plays(self) -> int:
        return sum(leg.playback is not None for leg in self._active.values())

    def start(self, leg: Leg, playback: Playback) -> None:
        self.stop(leg)
        leg.playback = playback
        self._active[leg.row] = leg

    def stop(self, leg: Leg) -> None:
        """Cuts a play short; digits it had begun to send go no further."""
        if leg.playback is None:
            return
        play_id, leg.playback = leg.playback.play_id, None
        leg.digits.clear()
        self._emit(PlayFinished(leg_id=leg.leg_id, play_id=play_id, completed=False))

    def send_digits(self, leg: Leg, digits: str) -> None:
        leg.digits.add(digits)
        self._active[leg.row] = leg

    def forget(self, leg: Leg) -> None:
        self._active.pop(leg.row, None)

    def speak(self) -> tuple[dict[int, EventPacket], list[PlayFinished]]:
        """This tick's speech into `rows.said`; the event packets to send instead, and the plays that are over."""
        events: dict[int, EventPacket] = {}
        finished: list[PlayFinished] = []
        for row, leg in list(self._active.items()):
            if leg.remote is None:
                continue
            if leg.digits.busy and self._rows.sends[row]:
                self._send_digit(leg, events)
            elif leg.playback is not None:
                self._play(leg, leg.playback, finished)
            elif not leg.digits.busy:
                del self._active[row]
        return events, finished

    def _send_digit(self, leg: Leg, events: dict[int, EventPacket]) -> None:
        timestamp = int(self._rows.out_timestamp[leg.row]) & 0xFFFFFFFF
        step = leg.digits.step(timestamp, in_band=leg.in_band)
        if isinstance(step, EventPacket):
            events[leg.row] = step
        else:
            self._rows.said[leg.row] = 0 if step is None else step

    def _play(self, leg: Leg, playback: Playback, finished: list[PlayFinished]) -> None:
        if leg.room is None:
            going = playback.fill(self._rows.said[leg.row])
        else:
            going = playback.fill(self._frame)
            both = self._frame.astype(np.int32) + self._rows.said[leg.row]
            self._rows.said[leg.row] = np.clip(both, -32768, 32767)
        if not going:
            leg.playback = None
            finished.append(PlayFinished(leg_id=leg.leg_id, play_id=playback.play_id, completed=True))
