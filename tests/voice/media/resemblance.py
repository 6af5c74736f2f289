"""How much like the original something sounds: figures of our own, for comparing, not for publishing.

The spectra of windows of 32 ms are compared in 20 bands of the mel scale, 100 to 3700 Hz, in decibels above a floor
of -60 dB under the loudest, as an ear and a recogniser would.
"""

import numpy as np
from numpy.typing import NDArray

from voice.media.rtp_peer import Samples

_WINDOW, _HOP, _BANDS = 256, 80, 20
_FLOOR_DB = 60.0


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _filters() -> NDArray[np.float64]:
    edges = 700 * (10 ** (np.linspace(_mel(100), _mel(3700), _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / 8000)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    made: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return made


def bands(samples: Samples) -> NDArray[np.float64]:
    """Decibels by (window, band), windows 10 ms apart."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 @ _filters().T + 1.0
    level: NDArray[np.float64] = 10 * np.log10(power)
    floored: NDArray[np.float64] = np.maximum(level, level.max() - _FLOOR_DB)
    return floored


def distance_db(one: Samples, other: Samples) -> NDArray[np.float64]:
    """By window: the root mean square over the bands of the difference of levels. 0 is the same."""
    count = min(len(one), len(other))
    first, second = bands(one[:count]), bands(other[:count])
    floor = max(first.max(), second.max()) - _FLOOR_DB
    apart: NDArray[np.float64] = np.maximum(first, floor) - np.maximum(second, floor)
    distance: NDArray[np.float64] = np.sqrt((apart**2).mean(axis=1))
    return distance


def likeness(original: Samples, heard: Samples) -> float:
    """Correlation of the two spectrograms where the original speaks: 1.0 is the same, 0 has nothing of it. Speech
    with a tenth of its packets silenced still has 0.988, another part of the speech 0.7. Time that was stretched or
    cut is followed in steps of 10 ms (dynamic time warping)."""
    first, second = bands(original), bands(heard)
    path = _aligned(first, second)
    a, b = first[path[:, 0]], second[path[:, 1]]
    speaking = a.mean(axis=1) > a.mean(axis=1).max() - 35
    a, b = a[speaking] - a[speaking].mean(), b[speaking] - b[speaking].mean()
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def _aligned(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pairs of windows along the cheapest path, each window of `first` once."""
    steps = 10
    cost = np.abs(first[:, None, :] - second[None, :, :]).mean(axis=2)
    best = np.full(cost.shape, np.inf)
    came = np.zeros(cost.shape, np.int64)
    best[0] = cost[0]
    for index in range(1, len(first)):
        # From the window before, one on; any other step costs a little, so that time runs evenly where it can.
        options = np.full((steps, cost.shape[1]), np.inf)
        for step in range(steps):
            options[step, step:] = best[index - 1, : cost.shape[1] - step] + (0.0 if step == 1 else 2.0)
        came[index] = options.argmin(axis=0)
        best[index] = options.min(axis=0) + cost[index]
    place = int(best[-1].argmin())
    path = []
    for index in range(len(first) - 1, -1, -1):
        path.append((index, place))
        place -= int(came[index, place])
    return np.array(path[::-1])
