"""MP3s of recordings, made when somebody asks for one and kept beside the WAV.

Encoding runs in a process of its own (`python -m sautikitd.recordings.mp3 SOURCE TARGET`), so that an
hour of audio never holds up the requests of the process that asked.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import av
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.recordings import repository
from sautikitd.recordings.models import StoredRecording
from sautikitd.recordings.store import RecordingStore, mp3_key

log = structlog.get_logger()

_BITS_PER_CHANNEL = 24_000
"""Bits a second. Telephone speech at 8 kHz gains nothing from more; MPEG-2.5 allows 8 to 64 kbit/s."""


_ABANDONED_S = 6 * 3600


class EncodingFailed(Exception):
    """The encoder's process ended with an error; its last words are the message."""


class Mp3Maker:
    def __init__(
        self, *, database: Database, store: RecordingStore, clock: Clock, scratch: Path, parallel: int = 1
    ) -> None:
        """`scratch` is a folder for files on their way; `parallel` encoders at once, the rest wait."""
        self._database = database
        self._store = store
        self._clock = clock
        self._scratch = scratch
        self._slots = asyncio.Semaphore(parallel)
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def ready_within(self, recording: StoredRecording, seconds: float) -> bool:
        """Starts making the MP3 where nobody has; True when it is there before `seconds` are over.

        Raises `EncodingFailed` or one of `StoreUnavailable` when it went wrong in that time; asking again
        tries again.
        """
        if recording.mp3_size_bytes is not None:
            return True
        task = self._running.get(recording.id)
        if task is None:
            task = self._running[recording.id] = asyncio.create_task(self._make(recording))
            task.add_done_callback(lambda done: self._ended(recording.id, done))
        finished, _ = await asyncio.wait([task], timeout=seconds)
        if finished:
            task.result()
        return bool(finished)

    async def close(self) -> None:
        """Stops what is being made; it is made anew when asked for again."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, recording_id: UUID, task: "asyncio.Task[None]") -> None:
        self._running.pop(recording_id, None)
        if not task.cancelled() and (error := task.exception()):
            log.warning("MP3 not made", recording_id=str(recording_id), error=repr(error))

    async def _make(self, recording: StoredRecording) -> None:
        await asyncio.to_thread(_prepare, self._scratch)
        async with self._slots:
            with tempfile.TemporaryDirectory(dir=self._scratch, prefix="mp3-") as folder:
                source, target = Path(folder, "in.wav"), Path(folder, "out.mp3")
                await self._store.fetch(recording.object_key, source)
                await encode_apart(source, target)
                size = await self._store.put(mp3_key(recording.object_key), target)
        async with self._database.transaction() as connection:
            if not await repository.mark_mp3(connection, recording.id, size):
                await repository.purge_again(connection, recording.id, self._clock.now())


def _prepare(scratch: Path) -> None:
    """Makes the folder, and removes what killed processes left in it: people's voices do not lie about."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in scratch.glob("mp3-*"):
        with suppress(FileNotFoundError):  # another encoder has just finished and removed it
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


async def encode_apart(source: Path, target: Path) -> None:
    """Encodes a WAV as MP3, in a process of its own. Raises `EncodingFailed`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sautikitd.recordings.mp3", str(source), str(target)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise EncodingFailed(said.decode(errors="replace").strip()[-500:])


def encode(source: Path, target: Path) -> None:
    """Encodes a WAV of one or two channels as MP3; left and right stay apart. Raises `av.error.FFmpegError`."""
    with av.open(str(source)) as wav, av.open(str(target), "w", format="mp3") as mp3:
        sound = wav.streams.audio[0]
        encoder = mp3.add_stream("libmp3lame", rate=sound.rate, options={"joint_stereo": "0"})
        encoder.layout = "mono" if sound.channels == 1 else "stereo"
        encoder.bit_rate = _BITS_PER_CHANNEL * sound.channels
        for frame in wav.decode(sound):
            mp3.mux(encoder.encode(frame))
        mp3.mux(encoder.encode(None))


if __name__ == "__main__":
    encode(Path(sys.argv[1]), Path(sys.argv[2]))
