"""What the platform says on the legs: plays and digits.

The common case, a file being played, is staged: a second of it is laid out at a time, and each tick copies the
frames of all such legs at once. Everything else (tones, digits, the end of a file) goes leg by leg.
"""

from collections.abc import Callable

import numpy as np

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.leg import Leg
from sautikitd.voice.media.protocol import Event, PlayFinished
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp.telephone_event import EventPacket
from sautikitd.voice.media.sounding.playback import Playback

_STAGED_FRAMES = 50


class Speaking:
    def __init__(self, rows: Rows, emit: Callable[[Event], None]) -> None:
        self._rows = rows
        self._emit = emit
        self._active: dict[int, Leg] = {}  # legs that play or send digits one by one, by row
        self._frame = np.zeros(FRAME_SAMPLES, np.int16)
        self._rolling: dict[int, Leg] = {}  # legs that play what is staged
        self._rolls = np.zeros(rows.capacity, np.bool_)  # the same
        self._stage = np.zeros((rows.capacity, _STAGED_FRAMES, FRAME_SAMPLES), np.int16)
        self._staged = np.zeros(rows.capacity, np.int64)  # frames laid out
        self._cursor = np.zeros(rows.capacity, np.int64)  # the next of them

    @property
    def plays(self) -> int:
        return len(self._rolling) + sum(leg.playback is not None for leg in self._active.values())

    def start(self, leg: Leg, playback: Playback) -> None:
        self.stop(leg)
        self._take_over(leg)
        self._cursor[leg.row] = self._staged[leg.row] = 0
        leg.playback = playback

    def stop(self, leg: Leg) -> None:
        """Cuts a play short; digits it had begun to send go no further."""
        if leg.playback is None:
            return
        play_id, leg.playback = leg.playback.play_id, None
        leg.digits.clear()
        self._take_over(leg)
        self._cursor[leg.row] = self._staged[leg.row]
        self._emit(PlayFinished(leg_id=leg.leg_id, play_id=play_id, completed=False))

    def send_digits(self, leg: Leg, digits: str) -> None:
        leg.digits.add(digits)
        self._take_over(leg)

    def forget(self, leg: Leg) -> None:
        self._take_over(leg)
        self._cursor[leg.row] = self._staged[leg.row]
        del self._active[leg.row]

    def _take_over(self, leg: Leg) -> None:
        """From now on the leg goes one by one."""
        self._active[leg.row] = leg
        if self._rolling.pop(leg.row, None) is not None:
            self._rolls[leg.row] = False

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
        self._roll()
        return events, finished

    def _roll(self) -> None:
        """The staged frame of each leg that has one."""
        rows = self._rows
        row = np.flatnonzero(self._rolls[: rows.high])
        if not row.size:
            return
        place = row * _STAGED_FRAMES + self._cursor.take(row)
        frames = self._stage.reshape(-1, FRAME_SAMPLES).take(place, axis=0)
        seated = rows.seated[row]
        if seated.any():
            both = frames[seated].astype(np.int32) + rows.said[row[seated]]
            frames[seated] = np.clip(both, -32768, 32767)
        rows.said[row] = frames
        self._cursor[row] += 1
        for at in row[self._cursor[row] >= self._staged[row]].tolist():
            self._take_over(self._rolling[at])

    def _send_digit(self, leg: Leg, events: dict[int, EventPacket]) -> None:
        timestamp = int(self._rows.out_timestamp[leg.row]) & 0xFFFFFFFF
        step = leg.digits.step(timestamp, in_band=leg.in_band)
        if isinstance(step, EventPacket):
            events[leg.row] = step
        else:
            self._rows.said[leg.row] = 0 if step is None else step

    def _play(self, leg: Leg, playback: Playback, finished: list[PlayFinished]) -> None:
        if self._begin_to_roll(leg, playback):
            return
        if leg.room is None:
            going = playback.fill(self._rows.said[leg.row])
        else:
            going = playback.fill(self._frame)
            both = self._frame.astype(np.int32) + self._rows.said[leg.row]
            self._rows.said[leg.row] = np.clip(both, -32768, 32767)
        if not going:
            leg.playback = None
            finished.append(PlayFinished(leg_id=leg.leg_id, play_id=playback.play_id, completed=True))

    def _begin_to_roll(self, leg: Leg, playback: Playback) -> bool:
        """Whether the leg's next frame is staged, and it needs no more care until that ends."""
        row = leg.row
        if self._cursor[row] >= self._staged[row]:
            self._cursor[row], self._staged[row] = 0, playback.stage(self._stage[row])
        if not self._staged[row]:
            return False
        del self._active[row]
        self._rolling[row] = leg
        self._rolls[row] = True
        return True
