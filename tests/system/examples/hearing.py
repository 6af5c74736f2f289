"""When a phone heard what."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from system.sound import power_at, read_wav


def spells(path: Path, hertz: float) -> list[float]:
    """How long a tone was heard each time, in seconds, in order; less than 0.15 s is no time."""
    heard, rate = read_wav(path)
    there = [
        float(np.abs(piece).max()) > 0.02 and power_at(piece, rate, hertz, width=60) > 0.5
        for piece in np.array_split(heard[:, 0], heard.shape[0] * 20 // rate)
    ]
    edges = [0, *[at for at, (one, next_) in enumerate(pairwise(there), 1) if one != next_], len(there)]
    return [(end - start) / 20 for start, end in pairwise(edges) if there[start] and end - start > 2]
