"""Finds a single steady tone in audio, frame by frame: the beep of a voicemail, the answer of a fax."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Pcm

_WINDOW = 2 * FRAME_SAMPLES  # 40 ms: bins of 25 Hz
_BIN_HZ = SAMPLE_RATE / _WINDOW
_LOWEST_BIN = 8  # below 200 Hz there is only hum
_EACH_SIDE = 2  # bins of a windowed sine beside its peak
_LEAST_SHARE = 0.80  # of the power, within the peak: speech spreads its own over harmonics
_LEAST_POWER_DB = 42.0
_STEADY_HZ = 18.0  # from frame to frame


@dataclass(slots=True)
class ToneRun:
    """A tone that is on: how often (Hz, the mean) and how long (frames)."""

    hertz: float
    frames: int


class ToneWatch:
    """One leg's."""

    def __init__(self) -> None:
        self._past = np.zeros(FRAME_SAMPLES, np.int16)
        self._shape = np.hanning(_WINDOW).astype(np.float32)
        self._run: ToneRun | None = None

    def hear(self, frame: Pcm) -> tuple[ToneRun | None, ToneRun | None]:
        """The tone that is on, and the one that has just ended."""
        signal = np.concatenate([self._past, frame]).astype(np.float32) * self._shape
        self._past = frame.copy()
        hertz = _pitch(np.abs(np.fft.rfft(signal)) ** 2)
        before, ended = self._run, None
        if hertz is not None and before is not None and abs(hertz - before.hertz) <= _STEADY_HZ:
            before.hertz += (hertz - before.hertz) / (before.frames + 1)
            before.frames += 1
        else:
            ended = before
            self._run = ToneRun(hertz, 1) if hertz is not None else None
        return self._run, ended


def _pitch(power: NDArray[np.float32]) -> float | None:
    """The frequency that nearly all of the power stands at; None where it is spread or too little."""
    total = float(power[_LOWEST_BIN:].sum())
    if 10 * np.log10(total / (_WINDOW * _WINDOW / 8) + 1e-9) < _LEAST_POWER_DB:
        return None
    peak = _LOWEST_BIN + int(power[_LOWEST_BIN:-1].argmax())
    near = slice(max(0, peak - _EACH_SIDE), peak + _EACH_SIDE + 1)
    if float(power[near].sum()) < _LEAST_SHARE * total:
        return None
    low, middle, high = (float(np.sqrt(power[index])) for index in (peak - 1, peak, peak + 1))
    return (peak + (high - low) / (low + middle + high)) * _BIN_HZ
