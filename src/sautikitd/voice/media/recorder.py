"""The recordings of all legs: starting, pausing, ending them, and giving each its frames."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from sautikitd.voice.media.protocol import Event, RecordingEnd, RecordingEnded, StartRecording
from sautikitd.voice.media.recording import Recording, WriterThread
from sautikitd.voice.media.rows import Rows


class Recorded(Protocol):
    """What can be recorded: a row, with a name for events and its recordings. A leg, or the booth of a room."""

    leg_id: str
    row: int
    recordings: list[Recording]


class UnknownRecording(KeyError):
    """No recording of that id is running."""


class CannotRecord(Exception):
    """The file cannot be written, or the order makes no sense; the message says why."""


class Recorder:
    def __init__(self, rows: Rows, emit: Callable[[Event], None], writer: WriterThread) -> None:
        self._rows = rows
        self._emit = emit
        self._writer = writer
        self._running: dict[str, tuple[Recorded, Recording]] = {}

    @property
    def open(self) -> int:
        return len(self._running)

    def start(self, leg: Recorded, order: StartRecording) -> None:
        """Raises `CannotRecord`."""
        if order.channels not in (1, 2) or order.max_ms <= 0:
            raise CannotRecord("a recording has one channel or two, and a positive length")
        if order.recording_id in self._running:
            raise CannotRecord(f"recording {order.recording_id} is running already")
        try:
            recording = Recording(order, self._writer)
        except OSError as error:
            raise CannotRecord(f"{order.path}: {error.strerror}") from error
        self._running[order.recording_id] = leg, recording
        leg.recordings.append(recording)

    def pause(self, recording_id: str, *, paused: bool) -> None:
        """Raises `UnknownRecording`. What is said meanwhile is cut out, and does not count as length or silence."""
        self._find(recording_id)[1].paused = paused

    def stop(self, recording_id: str) -> asyncio.Future[None]:
        """Raises `UnknownRecording`. The future is done once the file is closed and its event emitted."""
        leg, recording = self._find(recording_id)
        return self._finish(leg, recording, RecordingEnd.STOPPED)

    def stop_all(self, leg: Recorded, reason: RecordingEnd) -> list[asyncio.Future[None]]:
        return [self._finish(leg, recording, reason) for recording in list(leg.recordings)]

    def record(self) -> None:
        """Gives every recording this tick's frame of its leg."""
        if not self._running:
            return
        rows = np.array([leg.row for leg, _ in self._running.values()])
        audio = self._rows.heard[rows].astype(np.float32)
        levels = np.sqrt(np.einsum("ij,ij->i", audio, audio) / audio.shape[1]).tolist()
        over: list[tuple[Recorded, Recording, RecordingEnd]] = []
        for level, (leg, recording) in zip(levels, self._running.values(), strict=True):
            recording.frame(self._rows.heard[leg.row], self._rows.said[leg.row], level)
            if recording.ended is not None:
                over.append((leg, recording, recording.ended))
        for leg, recording, reason in over:
            self._finish(leg, recording, reason)

    def close(self) -> None:
        """Writes what is left; nothing may be recorded afterwards."""
        self._writer.finish()

    def _find(self, recording_id: str) -> tuple[Recorded, Recording]:
        found = self._running.get(recording_id)
        if found is None:
            raise UnknownRecording(recording_id)
        return found

    def _finish(self, leg: Recorded, recording: Recording, reason: RecordingEnd) -> asyncio.Future[None]:
        del self._running[recording.recording_id]
        leg.recordings.remove(recording)
        loop = asyncio.get_running_loop()
        closed: asyncio.Future[None] = loop.create_future()

        def tell(duration_ms: int, size: int | None) -> None:
            self._emit(
                RecordingEnded(
                    leg_id=leg.leg_id,
                    recording_id=recording.recording_id,
                    reason=RecordingEnd.ERROR if size is None else reason,
                    duration_ms=duration_ms,
                    size_bytes=size or 0,
                )
            )
            if not closed.done():  # cancelled when the process is ending
                closed.set_result(None)

        recording.finish(lambda duration_ms, size: _call(loop, tell, duration_ms, size))
        return closed


def _call(
    loop: asyncio.AbstractEventLoop,
    tell: Callable[[int, int | None], None],
    duration_ms: int,
    size: int | None,
) -> None:
    loop.call_soon_threadsafe(tell, duration_ms, size)
