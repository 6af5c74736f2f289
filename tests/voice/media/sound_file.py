"""Reading recordings with the standard library's reader."""

import wave
from pathlib import Path

import numpy as np

from voice.media.rtp_peer import Samples


def read_wav(path: Path) -> list[Samples]:
    """One array for each channel."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
        return list(data.reshape(-1, file.getnchannels()).T)
