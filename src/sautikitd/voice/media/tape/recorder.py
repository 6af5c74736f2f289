"""The recordings of all legs: starting, pausing, ending them, and giving each its frames."""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.protocol import Event, RecordingEnd, RecordingEnded, StartRecording
from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.tape.recording import Recording, WriterThread, open_file, saturated_sum
from sautikitd.voice.media.tape.tapes import CHUNK_FRAMES, Tapes, levels


class Recorded(Protocol):
    """What can be recorded: a row, with a name for events and its recordings. A leg, or the booth of a room."""

    leg_id: str
    row: int
    recordings: list[Recording]


class UnknownRecording(KeyError):
    """No recording of that id is running."""


class CannotRecord(Exception):
    """The file cannot be written, or the order makes no sense; the message says why."""


class _Kind(Enum):
    """What a frame of a recording holds."""

    HEARD = auto()
    MIXED = auto()
    BOTH = auto()  # two channels


class Reels:
    """Which slots and rows are copied each tick; made anew when a recording begins, pauses or ends."""

    def __init__(self, running: Sequence[tuple[Recorded, Recording]] = ()) -> None:
        self.recordings = {pair[1].slot: pair for pair in running}
        self.every = _numbers(pair[1].slot for pair in running)
        plain = [pair for pair in running if not pair[1].order.trim_silence]
        self.slots = _numbers(recording.slot for _, recording in plain)
        self.by_kind = {
            kind: (_numbers(recording.slot for _, recording in of), _numbers(leg.row for leg, _ in of))
            for kind in _Kind
            if (of := [pair for pair in plain if _kind(pair[1]) is kind])
        }
        attentive = [
            pair for pair in running if pair[1].order.trim_silence or pair[1].order.silence_ms is not None
        ]
        self.attentive = _numbers(recording.slot for _, recording in attentive)
        self.attentive_rows = _numbers(leg.row for leg, _ in attentive)


def _kind(recording: Recording) -> _Kind:
    if recording.order.channels == 2:
        return _Kind.BOTH
    return _Kind.MIXED if recording.mixes else _Kind.HEARD


def _numbers(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(numbers, np.int64)


class Recorder:
    def __init__(self, rows: Rows, emit: Callable[[Event], None], writer: WriterThread) -> None:
        self._rows = rows
        self._emit = emit
        self._writer = writer
        self._tapes = Tapes()
        self._running: dict[str, tuple[Recorded, Recording]] = {}
        self._trimmed: list[tuple[Recorded, Recording]] = []  # one by one
        self._reels = Reels()
        self._changed = False  # what is running, since the reels were made

    @property
    def open(self) -> int:
        return len(self._running)

    async def start(self, order: StartRecording, find: Callable[[], Recorded]) -> None:
        """Returns once it runs. `find` gives what is to be recorded, and raises where that has gone. Raises
        `CannotRecord`."""
        find()
        if order.channels not in (1, 2) or order.max_ms <= 0:
            raise CannotRecord("a recording has one channel or two, and a positive length")
        if order.recording_id in self._running:
            raise CannotRecord(f"recording {order.recording_id} is running already")
        try:
            descriptor = await asyncio.to_thread(open_file, order)
        except OSError as error:
            raise CannotRecord(f"{order.path}: {error.strerror}") from error
        try:
            leg = find()
        except BaseException:
            os.close(descriptor)
            raise
        recording = Recording(order, descriptor, self._writer, self._tapes)
        self._running[order.recording_id] = leg, recording
        leg.recordings.append(recording)
        self._changed = True

    def pause(self, recording_id: str, *, paused: bool) -> None:
        """Raises `UnknownRecording`. What is said meanwhile is cut out, and does not count as length or silence."""
        self._find(recording_id)[1].paused = paused
        self._changed = True

    def stop(self, recording_id: str) -> asyncio.Future[None]:
        """Raises `UnknownRecording`. The future is done once the file is closed and its event emitted."""
        leg, recording = self._find(recording_id)
        return self._finish(leg, recording, RecordingEnd.STOPPED)

    def stop_all(self, leg: Recorded, reason: RecordingEnd) -> list[asyncio.Future[None]]:
        return [self._finish(leg, recording, reason) for recording in list(leg.recordings)]

    def record(self) -> None:
        """Gives every recording this tick's frame of its leg."""
        if self._changed:
            self._arrange()
        if not self._running:
            return
        reels, rows, tapes = self._reels, self._rows, self._tapes
        for kind, (slots, row) in reels.by_kind.items():
            heard = rows.heard.take(row, axis=0)
            match kind:
                case _Kind.HEARD:
                    tapes.mono(slots, heard)
                case _Kind.MIXED:
                    tapes.mono(slots, saturated_sum(heard, rows.said.take(row, axis=0)))
                case _Kind.BOTH:
                    tapes.stereo(slots, heard, rows.said.take(row, axis=0))
        tapes.advance(reels.slots)
        if reels.attentive.size:
            level = levels(rows, reels.attentive_rows)
            tapes.listen(reels.attentive, level)
            loud = dict(zip(reels.attentive.tolist(), level.tolist(), strict=True))
            for leg, recording in self._trimmed:
                recording.frame_trimmed(rows.heard[leg.row], rows.said[leg.row], loud[recording.slot])
        for slot in reels.slots[tapes.filled[reels.slots] >= CHUNK_FRAMES].tolist():
            reels.recordings[slot][1].flush()
        self._end_those_that_want()

    def _end_those_that_want(self) -> None:
        tapes, every = self._tapes, self._reels.every
        over = (tapes.left[every] <= 0) | (tapes.quiet[every] >= tapes.patience[every])
        for slot in every[over].tolist():
            leg, recording = self._reels.recordings[slot]
            if recording.ended is not None:
                self._finish(leg, recording, recording.ended)

    def _arrange(self) -> None:
        self._changed = False
        running = [pair for pair in self._running.values() if not pair[1].paused]
        self._trimmed = [pair for pair in running if pair[1].order.trim_silence]
        self._reels = Reels(running)

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
        self._changed = True
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
