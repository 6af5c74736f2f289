"""Recording a leg to a WAV file. The tick only copies samples; a thread writes them, twice a second at least."""

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from sautikitd.voice.media.protocol import RecordingEnd, StartRecording
from sautikitd.voice.media.wav import HEADER_SIZE, wav_header

_FLUSH_FRAMES = 20  # 400 ms: what a SIGKILL may lose
_FRAME_MS = 20
_SPEECH_LEVEL = 180.0  # RMS, about -45 dBFS: below it nobody is speaking
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


class Recording:
    """One file being written. `frame` is called for each tick of its leg; `ended` says when it wants to stop."""

    def __init__(self, order: StartRecording, writer: WriterThread) -> None:
        """Opens the file. Raises OSError."""
        self.order = order
        self.ended: RecordingEnd | None = None
        self.paused = False
        self._writer = writer
        self._descriptor = os.open(order.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.write(self._descriptor, wav_header(order.channels, 0))
        self._chunk = np.zeros((_FLUSH_FRAMES, FRAME_SAMPLES * order.channels), np.int16)
        self._limit = order.max_ms / _FRAME_MS
        self._in_chunk = 0
        self._written = 0  # frames given to the writer
        self._quiet_ms = 0
        self._spoken_until = 0  # frames up to the last that held speech
        self._before_speech: list[NDArray[np.int16]] = []

    @property
    def recording_id(self) -> str:
        return self.order.recording_id

    @property
    def _frames(self) -> int:
        return self._written + self._in_chunk

    def frame(self, heard: Pcm, said: Pcm, level: float) -> None:
        """One tick: what the far end said, what it was sent, and how loud the far end was (RMS of 32768)."""
        if self.paused or self.ended is not None:
            return
        speech = level >= _SPEECH_LEVEL
        self._quiet_ms = 0 if speech else self._quiet_ms + _FRAME_MS
        if self.order.trim_silence:
            self._append_trimmed(self._channels(heard, said), speech)
        else:
            self._append(self._channels(heard, said))
        if self._written + self._in_chunk >= self._limit:
            self.ended = RecordingEnd.MAX_LENGTH
        elif self.order.silence_ms is not None and self._quiet_ms >= self.order.silence_ms:
            self.ended = RecordingEnd.SILENCE

    def _channels(self, heard: Pcm, said: Pcm) -> NDArray[np.int16]:
        if self.order.channels == 2:
            return np.stack((heard, said), axis=1).reshape(-1)
        if self.order.include_sent:
            both: Pcm = np.clip(heard.astype(np.int32) + said, -32768, 32767).astype(np.int16)
            return both
        return heard

    def _append_trimmed(self, samples: NDArray[np.int16], speech: bool) -> None:
        if not self._spoken_until and not speech:
            self._before_speech.append(samples.copy())
            del self._before_speech[: -_KEPT_SILENCE_MS // _FRAME_MS]
            return
        for earlier in self._before_speech:
            self._append(earlier)
        self._before_speech.clear()
        self._append(samples)
        if speech:
            self._spoken_until = self._frames

    def _append(self, samples: NDArray[np.int16]) -> None:
        self._chunk[self._in_chunk] = samples
        self._in_chunk += 1
        if self._in_chunk == _FLUSH_FRAMES:
            self._flush()

    def _flush(self) -> None:
        if self._in_chunk:
            data = self._chunk[: self._in_chunk].astype("<i2").tobytes()
            self._written += self._in_chunk
            self._in_chunk = 0
            self._writer.put(_Write(self._descriptor, data, self._header(self._written)))

    def _size(self, frames: int) -> int:
        return frames * FRAME_SAMPLES * 2 * self.order.channels

    def _header(self, frames: int) -> bytes:
        return wav_header(self.order.channels, self._size(frames))

    def finish(self, done: Callable[[int, int | None], None]) -> None:
        """Writes the rest and closes; then `done(duration_ms, size_bytes or None)` is called in the writer's thread."""
        self._flush()
        frames = self._written
        if self.order.trim_silence:
            frames = min(frames, self._spoken_until + _KEPT_SILENCE_MS // _FRAME_MS)
            frames = frames if self._spoken_until else 0
        duration_ms = frames * FRAME_SAMPLES * 1000 // SAMPLE_RATE
        size = HEADER_SIZE + self._size(frames)
        self._writer.put(
            _Close(self._descriptor, self._header(frames), size, lambda written: done(duration_ms, written))
        )
