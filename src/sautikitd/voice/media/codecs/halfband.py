"""Between 8 and 16 kHz: a half-band low pass of 31 taps (windowed sinc, Blackman), as two phases of 16 kHz."""

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import Pcm

_TAPS = 31


def _low_pass() -> NDArray[np.float64]:
    offset = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(offset / 2) * np.blackman(_TAPS)
    scaled: NDArray[np.float64] = taps / taps.sum()
    return scaled


_FILTER = _low_pass()


class _LowPass:
    """The filter over a stream, frame by frame; it is 15 samples late."""

    def __init__(self) -> None:
        self._before = np.zeros(_TAPS - 1)

    def run(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        joined = np.concatenate((self._before, samples))
        self._before = joined[len(joined) - _TAPS + 1 :]
        passed: NDArray[np.float64] = np.convolve(joined, _FILTER, "valid")
        return passed


class Halver:
    """16 kHz to 8 kHz."""

    def __init__(self) -> None:
        self._filter = _LowPass()

    def halve(self, samples: Pcm) -> Pcm:
        """An even number of samples to half as many."""
        return _rounded(self._filter.run(samples.astype(np.float64))[::2])


class Doubler:
    """8 kHz to 16 kHz."""

    def __init__(self) -> None:
        self._filter = _LowPass()

    def double(self, samples: Pcm) -> Pcm:
        spread = np.zeros(2 * len(samples))
        spread[::2] = samples
        return _rounded(2 * self._filter.run(spread))


def _rounded(samples: NDArray[np.float64]) -> Pcm:
    rounded: Pcm = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return rounded
