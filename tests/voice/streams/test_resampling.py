"""Tones keep their pitch and level between 8 and 16 kHz, and nothing is folded into the band."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sautikitd.voice.streams.resampling import resampler


def _tone(hertz: float, rate: int, seconds: float = 0.5) -> NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def _level(samples: NDArray[np.int16], hertz: float, rate: int) -> float:
    steady = samples[200:-200].astype(float)
    window = np.hanning(len(steady))
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(steady)) / rate)
    return float(2 * abs(np.sum(steady * window * turn)) / np.sum(window))


@pytest.mark.parametrize("hertz", [200, 1000, 2500, 3300])
@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000)])
def test_a_tone_of_the_telephone_band_passes_unchanged(hertz: int, from_hz: int, to_hz: int) -> None:
    made = resampler(from_hz, to_hz).convert(_tone(hertz, from_hz))
    assert len(made) == to_hz // 2
    assert _level(made, hertz, to_hz) == pytest.approx(8000, rel=0.02)


def test_doubling_leaves_no_image_above_the_band() -> None:
    made = resampler(8000, 16000).convert(_tone(1000, 8000))
    assert _level(made, 7000, 16000) < 8


@pytest.mark.parametrize("hertz", [4300, 5000, 7000])
def test_halving_folds_nothing_into_the_band(hertz: int) -> None:
    made = resampler(16000, 8000).convert(_tone(hertz, 16000))
    assert _level(made, 8000 - hertz, 8000) < 8


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000)])
def test_pieces_of_any_length_make_the_same_stream(from_hz: int, to_hz: int) -> None:
    tone = _tone(440, from_hz)
    whole = resampler(from_hz, to_hz).convert(tone)
    by_pieces, start = resampler(from_hz, to_hz), 0
    made = []
    for size in [1, 7, 0, 160, 333, 2, 5, 320] * 20:
        made.append(by_pieces.convert(tone[start : start + size]))
        start += size
    joined = np.concatenate(made)
    assert np.abs(joined.astype(int) - whole[: len(joined)]).max() <= 1


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="24000"):
        resampler(24000, 8000)
