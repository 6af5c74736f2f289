"""Audio that comes from outside at its own pace, waiting to be played: a queue with marks in it."""

from collections import deque

import numpy as np

from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Pcm

LONGEST_QUEUE_S = 120
"""A speech engine sends a whole answer at once; what goes beyond two minutes is dropped and counted."""

MOST_MARKS = 1000

PRIMING_SAMPLES = 2 * FRAME_SAMPLES
"""After silence playing starts with 40 ms in hand, so that a sender in real time may be late by that much ..."""

_PRIMING_TICKS = 2  # ... or when 40 ms have passed: a short sound is not held back


class Playout:
    """One stream's. Samples are played in order; a mark is reached when all samples before it have been taken."""

    def __init__(self, longest_s: int = LONGEST_QUEUE_S) -> None:
        self._parts: deque[Pcm | str] = deque()
        self._most = longest_s * SAMPLE_RATE
        self._offset = 0  # samples of the first part that have been taken
        self._marks = 0
        self._waited: int | None = None  # ticks since there was something to play again; None while it plays
        self.queued = 0
        self.overflowed = 0
        """Samples that found no room, since the beginning."""

    def put(self, samples: Pcm) -> None:
        room = self._most - self.queued
        if len(samples) > room:
            self.overflowed += len(samples) - room
            samples = samples[:room]
        if len(samples):
            if not self.queued:
                self._waited = 0
            self._parts.append(samples)
            self.queued += len(samples)

    def mark(self, name: str) -> None:
        """One more than `MOST_MARKS` is passed over."""
        if self._marks < MOST_MARKS:
            self._marks += 1
            self._parts.append(name)

    def clear(self) -> list[str]:
        """Forgets what waits, and returns the marks that stood in it."""
        marks = [part for part in self._parts if isinstance(part, str)]
        self._parts.clear()
        self._offset = self._marks = self.queued = 0
        self._waited = None
        return marks

    def read(self, out: Pcm) -> tuple[int, list[str]]:
        """Fills `out` (20 ms) from its start; how many samples there were, and the marks reached."""
        if self.queued and self._priming():
            return 0, []
        filled = 0
        reached: list[str] = []
        while self._parts:
            first = self._parts[0]
            if isinstance(first, str):
                reached.append(first)
                self._marks -= 1
                self._parts.popleft()
                continue
            if filled == len(out):
                break
            piece = first[self._offset : self._offset + len(out) - filled]
            out[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._offset += len(piece)
            if self._offset == len(first):
                self._parts.popleft()
                self._offset = 0
        self.queued -= filled
        out[filled:] = 0
        return filled, reached

    def _priming(self) -> bool:
        if self._waited is None:
            return False
        self._waited += 1
        if self.queued >= PRIMING_SAMPLES or self._waited > _PRIMING_TICKS:
            self._waited = None
            return False
        return True


def samples_of(audio: bytes) -> Pcm:
    """Signed 16-bit little-endian bytes as samples; an odd last byte is left out."""
    samples: Pcm = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2").astype(np.int16, copy=False)
    return samples
