"""Tones as samples: cadenced call-progress tones, and the two tones of each key (ITU-T Q.23)."""

from collections.abc import Sequence

import numpy as np

from sautikitd.voice.media.g711 import SAMPLE_RATE, Pcm

LOW_TONES = (697.0, 770.0, 852.0, 941.0)
HIGH_TONES = (1209.0, 1336.0, 1477.0, 1633.0)
KEYPAD = ("123A", "456B", "789C", "*0#D")
KEY_TONES = {
    key: (LOW_TONES[row], HIGH_TONES[column])
    for row, keys in enumerate(KEYPAD)
    for column, key in enumerate(keys)
}
_PEAK = 0.5 * 32767  # -6 dBFS for all frequencies together


def synthesise(frequencies: Sequence[float], start: int, count: int) -> Pcm:
    """`count` samples of the tone from sample `start` on, all frequencies equally loud, -6 dBFS at most."""
    seconds = np.arange(start, start + count) / SAMPLE_RATE
    wave = np.zeros(count)
    for frequency in frequencies:
        wave += np.sin(2 * np.pi * frequency * seconds)
    return (wave * (_PEAK / max(1, len(frequencies)))).astype(np.int16)
