"""DTMF heard in the audio (ITU-T Q.24), for legs without telephone-event: the Goertzel bins of all legs at once.

Each tick looks at the last 25.6 ms (205 samples, the classic length: its bins separate the tones of Q.23).
A press counts once two ticks in a row agree, and ends once two in a row do not hear it.
"""

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE
from sautikitd.voice.media.rtp.telephone_event import Press
from sautikitd.voice.media.sounding.tones import HIGH_TONES, KEYPAD, LOW_TONES

_WINDOW = 205
_CARRIED = _WINDOW - FRAME_SAMPLES
_LEAST_POWER = 100.0**2  # mean square of each tone, about -47 dBm0
_LEAST_SHARE = 0.80  # of all power, that the two tones hold together: speech spreads its own
_TWIST = 10 ** (8 / 10)  # between the two tones
_OVER_OTHERS = 10 ** (6 / 10)  # above the next tone of the same group
_CONFIRM = 2

_KEYS = "".join(KEYPAD)
_NONE = -1


def _bins() -> NDArray[np.float32]:
    angles = 2 * np.pi * np.outer(np.arange(_WINDOW), LOW_TONES + HIGH_TONES) / SAMPLE_RATE
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


class InBandDigits:
    def __init__(self, capacity: int) -> None:
        self._bins = _bins()
        self._carried = np.zeros((capacity, _CARRIED), np.float32)
        self._down = np.full(capacity, _NONE)
        self._heard = np.full(capacity, _NONE)  # of the tick before
        self._missing = np.zeros(capacity, np.int64)
        self._frames = np.zeros(capacity, np.int64)

    def forget(self, row: int) -> None:
        self._carried[row] = 0
        self._down[row] = self._heard[row] = _NONE
        self._missing[row] = self._frames[row] = 0

    def listen(self, rows: NDArray[np.int64], audio: NDArray[np.int16]) -> list[tuple[int, Press]]:
        """One frame of each of `rows`, `audio` in the same order; the presses that ended, by row."""
        window = np.concatenate([self._carried[rows], audio.astype(np.float32)], axis=1)
        self._carried[rows] = window[:, FRAME_SAMPLES:]
        key = self._recognise(window)
        return self._follow(rows, key)

    def _recognise(self, window: NDArray[np.float32]) -> NDArray[np.int64]:
        every = np.arange(len(window))
        parts = window @ self._bins
        # A sine of mean square p gives a bin of p * N^2 / 2.
        power = (parts[:, :8] ** 2 + parts[:, 8:] ** 2) * (2 / _WINDOW**2)
        total = np.mean(window**2, axis=1)
        low, high = power[:, :4], power[:, 4:]
        row, column = low.argmax(axis=1), high.argmax(axis=1)
        strong_low, strong_high = low[every, row], high[every, column]
        next_low = np.partition(low, 2, axis=1)[:, 2]
        next_high = np.partition(high, 2, axis=1)[:, 2]
        is_key = (
            (strong_low > _LEAST_POWER)
            & (strong_high > _LEAST_POWER)
            & (strong_low + strong_high > _LEAST_SHARE * total)
            & (strong_low < _TWIST * strong_high)
            & (strong_high < _TWIST * strong_low)
            & (strong_low > _OVER_OTHERS * next_low)
            & (strong_high > _OVER_OTHERS * next_high)
        )
        keys: NDArray[np.int64] = np.where(is_key, row * 4 + column, _NONE)
        return keys

    def _follow(self, rows: NDArray[np.int64], key: NDArray[np.int64]) -> list[tuple[int, Press]]:
        busy = np.flatnonzero((key != _NONE) | (self._down[rows] != _NONE))
        presses: list[tuple[int, Press]] = []
        for index in busy:
            row, heard = int(rows[index]), int(key[index])
            down = int(self._down[row])
            if down != _NONE:
                self._frames[row] += 1
                self._missing[row] = 0 if heard == down else self._missing[row] + 1
                if self._missing[row] >= _CONFIRM:
                    presses.append((row, self._release(row)))
            if self._down[row] == _NONE and heard != _NONE and heard == self._heard[row]:
                self._down[row], self._frames[row], self._missing[row] = heard, _CONFIRM, 0
        self._heard[rows] = key
        return presses

    def _release(self, row: int) -> Press:
        digit = _KEYS[int(self._down[row])]
        frames = int(self._frames[row] - self._missing[row])
        self._down[row] = _NONE
        return Press(digit, frames * 20)
