"""The voice node's side of the sound worker, and sound files as prompts."""

import asyncio
from pathlib import Path

import msgspec

from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.jobs import Answer, Decode, EncodeMp3, Failed, Resample, Sound, SoundJob
from sautikitd.voice.speech.worker import Worker

MAX_FILE_BYTES = 20 * 1024 * 1024
_TIMEOUT_S = 30.0


class Sounds:
    """Conversions of sound, in a subprocess. All raise `PromptUnavailable` with the reason."""

    def __init__(self) -> None:
        self._worker = Worker("sautikitd.voice.speech.sound_worker", timeout_s=_TIMEOUT_S)

    async def resample(self, samples: bytes, rate: int) -> bytes:
        return (await self._ask(Resample(samples=samples, rate=rate))).samples

    async def decode(self, data: bytes) -> bytes:
        return (await self._ask(Decode(data=data))).samples

    async def mp3(self, wav: Path, target: Path) -> None:
        """Encodes a recording, mono or stereo, at 32 kbit/s."""
        await self._ask(EncodeMp3(source=str(wav), target=str(target)))

    async def close(self) -> None:
        await self._worker.close()

    async def _ask(self, job: SoundJob) -> Sound:
        answer: Answer = msgspec.msgpack.decode(
            await self._worker.ask(msgspec.msgpack.encode(job)), type=Answer
        )
        if isinstance(answer, Failed):
            raise PromptUnavailable(answer.message)
        return answer


class AudioFiles:
    """WAV, MP3 and OGG files as prompts."""

    def __init__(self, cache: PromptCache, sounds: Sounds) -> None:
        self._cache = cache
        self._sounds = sounds

    async def decode(self, file: Path | bytes) -> Path:
        """The file's sound as raw samples (s16le, 8 kHz, mono), cached by content. Raises `PromptUnavailable`
        for what is larger than 20 MB, longer than 30 minutes, or not such a file."""
        data = file if isinstance(file, bytes) else await asyncio.to_thread(_read, file)
        if len(data) > MAX_FILE_BYTES:
            raise PromptUnavailable(f"the file is larger than {MAX_FILE_BYTES // 2**20} MB")
        key = await asyncio.to_thread(self._cache.key, b"file", data)
        found = await asyncio.to_thread(self._cache.find, key)
        if found is not None:
            return found
        return await asyncio.to_thread(self._cache.put, key, await self._sounds.decode(data))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PromptUnavailable(f"{path.name}: {error.strerror}") from error
