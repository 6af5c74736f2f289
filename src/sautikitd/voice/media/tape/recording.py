"""Recording a leg to a WAV file. The tick only copies samples; a thread writes them, once a second at least."""

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from sautikitd.voice.media.protocol import RecordingEnd, StartRecording
from sautikitd.voice.media.tape.tapes import CHUNK_FRAMES, SPEECH_LEVEL, Tapes
from sautikitd.voice.media.tape.wav import HEADER_SIZE, wav_header
from sautikitd.voice.media.urgency import make_prompt

_FRAME_MS = 20
_KEPT_SILENCE_MS = 200  # left around speech when silence is trimmed


@dataclass(slots=True)
class _Write:
    descriptor: int
    data: bytes
    header: bytes


@dataclass(slots=True)
class _Close:
    descriptor: int
    header: bytes
    size: int
    done: Callable[[int | None], None]  # the size of the file, None when writing failed


class WriterThread:
    """Writes for all recordings, so that a slow disk never delays a tick. An error is told at the file's close."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Write | _Close | None] = queue.SimpleQueue()
        self._failed: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def put(self, job: _Write | _Close) -> None:
        self._jobs.put(job)

    def finish(self) -> None:
        """Writes all that was put and ends the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        make_prompt()
        while (job := self._jobs.get()) is not None:
            match job:
                case _Write():
                    self._write(job)
                case _Close():
                    job.done(self._close(job))

    def _write(self, job: _Write) -> None:
        try:
            _write_all(job.descriptor, job.data)
            os.pwrite(job.descriptor, job.header, 0)
        except OSError:
            self._failed.add(job.descriptor)

    def _close(self, job: _Close) -> int | None:
        failed = job.descriptor in self._failed
        self._failed.discard(job.descriptor)
        try:
            os.ftruncate(job.descriptor, job.size)
            os.pwrite(job.descriptor, job.header, 0)
        except OSError:
            failed = True
        finally:
            os.close(job.descriptor)
        return None if failed else job.size


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def open_file(order: StartRecording) -> int:
    """The descriptor of a recording's file, begun with its header. A disk may take its time: not for the tick's
    thread. Raises OSError."""
    descriptor = os.open(order.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, wav_header(order.channels, 0))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Recording:
    """One file being written, from its slot of the tapes."""

    def __init__(self, order: StartRecording, descriptor: int, writer: WriterThread, tapes: Tapes) -> None:
        """`descriptor` is of `open_file`; the recording closes it."""
        self.order = order
        self.paused = False
        self._writer = writer
        self._tapes = tapes
        self._descriptor = descriptor
        patience = None if order.silence_ms is None else -(-order.silence_ms // _FRAME_MS)
        self.slot = tapes.take(left=-(-order.max_ms // _FRAME_MS), patience=patience)
        self._written = 0  # frames given to the writer
        self._spoken_until = 0  # frames up to the last that held speech
        self._before_speech: list[NDArray[np.int16]] = []

    @property
    def recording_id(self) -> str:
        return self.order.recording_id

    @property
    def mixes(self) -> bool:
        """Whether its one channel holds both directions."""
        return self.order.channels == 1 and self.order.include_sent

    @property
    def _in_chunk(self) -> int:
        return int(self._tapes.filled[self.slot])

    @property
    def ended(self) -> RecordingEnd | None:
        """Why it wants to stop, when it does."""
        if self._tapes.left[self.slot] <= 0:
            return RecordingEnd.MAX_LENGTH
        if self._tapes.quiet[self.slot] >= self._tapes.patience[self.slot]:
            return RecordingEnd.SILENCE
        return None

    def frame_trimmed(self, heard: Pcm, said: Pcm, level: float) -> None:
        """One tick of a recording whose silence is trimmed: what the far end said, what it was sent, and how loud
        the far end was (RMS of 32768)."""
        samples, speech = self._channels(heard, said), level >= SPEECH_LEVEL
        if not self._spoken_until and not speech:
            self._before_speech.append(samples.copy())
            del self._before_speech[: -_KEPT_SILENCE_MS // _FRAME_MS]
            return
        for earlier in self._before_speech:
            self._append(earlier)
        self._before_speech.clear()
        self._append(samples)
        if speech:
            self._spoken_until = self._written + self._in_chunk

    def _channels(self, heard: Pcm, said: Pcm) -> NDArray[np.int16]:
        if self.order.channels == 2:
            return np.stack((heard, said), axis=1).reshape(-1)
        return saturated_sum(heard, said) if self.mixes else heard

    def _append(self, samples: NDArray[np.int16]) -> None:
        tapes, slot = self._tapes, self.slot
        tapes.chunks[slot, self._in_chunk, : len(samples)] = samples
        tapes.filled[slot] += 1
        tapes.left[slot] -= 1
        if self._in_chunk == CHUNK_FRAMES:
            self.flush()

    def flush(self) -> None:
        """Gives the writer what is in the chunk."""
        count = self._in_chunk
        if count:
            samples = FRAME_SAMPLES * self.order.channels
            data = self._tapes.chunks[self.slot, :count, :samples].astype("<i2", copy=False).tobytes()
            self._written += count
            self._tapes.filled[self.slot] = 0
            self._writer.put(_Write(self._descriptor, data, self._header(self._written)))

    def _size(self, frames: int) -> int:
        return frames * FRAME_SAMPLES * 2 * self.order.channels

    def _header(self, frames: int) -> bytes:
        return wav_header(self.order.channels, self._size(frames))

    def finish(self, done: Callable[[int, int | None], None]) -> None:
        """Writes the rest and closes; then `done(duration_ms, size_bytes or None)` is called in the writer's thread."""
        self.flush()
        self._tapes.give_back(self.slot)
        frames = self._written
        if self.order.trim_silence:
            frames = min(frames, self._spoken_until + _KEPT_SILENCE_MS // _FRAME_MS)
            frames = frames if self._spoken_until else 0
        duration_ms = frames * FRAME_SAMPLES * 1000 // SAMPLE_RATE
        size = HEADER_SIZE + self._size(frames)
        self._writer.put(
            _Close(self._descriptor, self._header(frames), size, lambda written: done(duration_ms, written))
        )


def saturated_sum(one: Pcm, other: Pcm) -> Pcm:
    both: Pcm = np.clip(one.astype(np.int32) + other, -32768, 32767).astype(np.int16)
    return both
