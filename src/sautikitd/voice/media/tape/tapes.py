"""What is being recorded, as arrays: the frames of all recordings that are not on a disk yet. Slot i is one recording."""

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.rows import Rows

CHUNK_FRAMES = 50  # a second: what a SIGKILL may lose
SPEECH_LEVEL = 180.0  # RMS, about -45 dBFS: below it nobody is speaking
NEVER = 1 << 40  # frames
_FIRST_SLOTS = 64

Slots = NDArray[np.int64]


class Tapes:
    def __init__(self) -> None:
        self._free: list[int] = []
        self.chunks = np.zeros((0, CHUNK_FRAMES, 2 * FRAME_SAMPLES), np.int16)
        self.filled = np.zeros(0, np.int64)  # frames in the chunk
        self.left = np.zeros(0, np.int64)  # frames until the greatest length
        self.quiet = np.zeros(0, np.int64)  # frames without speech
        self.patience = np.zeros(0, np.int64)  # frames without speech that end it
        self._grow(_FIRST_SLOTS)

    def take(self, *, left: int, patience: int | None) -> int:
        """A slot for a recording of at most `left` frames, which `patience` quiet ones end."""
        if not self._free:
            self._grow(2 * len(self.filled))
        slot = self._free.pop()
        self.filled[slot] = self.quiet[slot] = 0
        self.left[slot], self.patience[slot] = left, NEVER if patience is None else patience
        return slot

    def give_back(self, slot: int) -> None:
        self._free.append(slot)

    def _grow(self, size: int) -> None:
        before = len(self.filled)
        self._free.extend(reversed(range(before, size)))
        for name in ("chunks", "filled", "left", "quiet", "patience"):
            old = getattr(self, name)
            made = np.zeros((size, *old.shape[1:]), old.dtype)
            made[:before] = old
            setattr(self, name, made)

    def mono(self, slots: Slots, samples: NDArray[np.int16]) -> None:
        """A frame more of each of `slots`, which are distinct."""
        self.chunks[slots, self.filled[slots], :FRAME_SAMPLES] = samples

    def stereo(self, slots: Slots, left: NDArray[np.int16], right: NDArray[np.int16]) -> None:
        both = np.stack((left, right), axis=2).reshape(len(slots), -1)
        self.chunks[slots, self.filled[slots]] = both

    def advance(self, slots: Slots) -> None:
        self.filled[slots] += 1
        self.left[slots] -= 1

    def listen(self, slots: Slots, level: NDArray[np.float32]) -> None:
        """How loud the far end was in this frame of each."""
        self.quiet[slots] = np.where(level >= SPEECH_LEVEL, 0, self.quiet[slots] + 1)


def levels(rows: Rows, row: NDArray[np.int64]) -> NDArray[np.float32]:
    """Root mean square of what each row heard, of 32768."""
    audio = rows.heard[row].astype(np.float32)
    level: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", audio, audio) / audio.shape[1])
    return level
