"""Between 8 and 16 kHz: polyphase FIR filters that keep their state, so that a stream may come in any pieces.

One prototype serves both ways: a Kaiser-windowed low-pass of 96 taps at 16 kHz, flat to 3.4 kHz and 70 dB down
above 4.2 kHz, which delays by 3 ms.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import Pcm

_TAPS = 96
_CUTOFF = 3780 / 16000  # of the higher rate, at half amplitude
_BETA = 7.0
_PIECE = 8192  # samples halved at once: the product takes 96 times their memory

_Samples = NDArray[np.float32]


def _low_pass() -> _Samples:
    """Taps at 16 kHz whose sum is one."""
    middle = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * _CUTOFF * middle) * np.kaiser(_TAPS, _BETA)
    normal: _Samples = (taps / taps.sum()).astype(np.float32)
    return normal


_LOW_PASS = _low_pass()
# Each output of a doubled stream meets every second tap: two short filters instead of one over zeros.
_PHASES = (_LOW_PASS[0::2] * 2, _LOW_PASS[1::2] * 2)


class Resampler(Protocol):
    def convert(self, samples: Pcm) -> Pcm:
        """What these samples add to the stream; the delay of the filter stays inside."""
        ...


class Unchanged:
    def convert(self, samples: Pcm) -> Pcm:
        return samples


class Doubler:
    """8 to 16 kHz."""

    def __init__(self) -> None:
        self._past = np.zeros(len(_PHASES[0]) - 1, np.float32)

    def convert(self, samples: Pcm) -> Pcm:
        if not len(samples):
            return samples
        signal = np.concatenate([self._past, samples.astype(np.float32)])
        self._past = signal[len(signal) - len(self._past) :]
        made = np.empty(2 * len(samples), np.float32)
        for phase, taps in enumerate(_PHASES):
            made[phase::2] = np.convolve(signal, taps, "valid")
        return _whole(made)


class Halver:
    """16 to 8 kHz."""

    def __init__(self) -> None:
        self._past = np.zeros(_TAPS - 1, np.float32)
        self._odd = 0  # how many of the next samples fall between two outputs

    def convert(self, samples: Pcm) -> Pcm:
        if not len(samples):
            return samples
        pieces = [samples[start : start + _PIECE] for start in range(0, len(samples), _PIECE)]
        return np.concatenate([self._convert(piece) for piece in pieces])

    def _convert(self, samples: Pcm) -> Pcm:
        signal = np.concatenate([self._past, samples.astype(np.float32)])
        windows = np.lib.stride_tricks.sliding_window_view(signal, _TAPS)[self._odd :: 2]
        self._past = signal[len(signal) - len(self._past) :]
        self._odd = (self._odd + len(samples)) % 2
        return _whole(windows @ _LOW_PASS)  # the taps are symmetrical, so they need not be turned round


def resampler(from_hz: int, to_hz: int) -> Resampler:
    """Raises ValueError for rates other than 8,000 and 16,000 Hz."""
    match from_hz, to_hz:
        case (8000, 8000) | (16000, 16000):
            return Unchanged()
        case 8000, 16000:
            return Doubler()
        case 16000, 8000:
            return Halver()
    raise ValueError(f"from {from_hz} to {to_hz} Hz is not converted")


def _whole(samples: _Samples) -> Pcm:
    rounded: Pcm = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return rounded
