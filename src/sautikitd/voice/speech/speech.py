"""Text to speech: a `Say` becomes a file of samples, made once and then found in the cache."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from sautikitd.flow.port import PromptUnavailable, Say
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.jobs import Answer, Failed, Sound, Speak
from sautikitd.voice.speech.sounds import Sounds
from sautikitd.voice.speech.ssml import cleaned_ssml
from sautikitd.voice.speech.voices import espeak_voice
from sautikitd.voice.speech.worker import Worker

MAX_TEXT = 4_000  # characters, contract section 5
_TIMEOUT_S = 20.0
_WORDS_PER_MINUTE = 160  # a little under the engine's 175: it is heard over a telephone
_SLOWEST, _FASTEST = 0.5, 2.0
_VERSION = b"speech 1"  # of the sound made of a text: changed when that changes
_WANTED_RMS = 32768 * 10 ** (-19 / 20)
_HIGHEST_PEAK = 32768 * 10 ** (-1 / 20)
_SPEECH_THRESHOLD = 300  # samples quieter than this are pauses, and do not count for loudness

Normalise = Callable[[str, str], str]


def as_written(text: str, language: str) -> str:
    """The default `normalise`: leaves numbers, amounts and phone numbers to the synthesiser's own reading."""
    return text


class Speech:
    """`normalise(text, language)` may rewrite plain text before it is spoken (never SSML)."""

    def __init__(self, cache: PromptCache, sounds: Sounds, *, normalise: Normalise = as_written) -> None:
        self._cache = cache
        self._sounds = sounds
        self._normalise = normalise
        self._espeak = Worker("sautikitd.voice.speech.espeak_worker", timeout_s=_TIMEOUT_S)
        self._making: dict[str, asyncio.Task[Path]] = {}

    async def render(self, say: Say) -> Path:
        """Raw samples (s16le, 8 kHz, mono) at about -19 dBFS. Raises `PromptUnavailable`."""
        if len(say.text) > MAX_TEXT:
            raise PromptUnavailable(f"the text has more than {MAX_TEXT} characters")
        key = self._cache.key(_VERSION, msgspec.msgpack.encode(say))
        found = await asyncio.to_thread(self._cache.find, key)
        if found is not None:
            return found
        task = self._making.get(key)
        if task is None:  # one rendering serves everybody who waits for it
            task = self._making[key] = asyncio.ensure_future(self._make(key, say))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Ends the worker. The `Sounds` given are their owner's to close."""
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        await self._espeak.close()

    async def _make(self, key: str, say: Say) -> Path:
        text = cleaned_ssml(say.text) if say.ssml else self._normalise(say.text, say.language)
        rate = min(max(say.rate, _SLOWEST), _FASTEST)
        job = Speak(
            text=text.replace("\0", " "),
            voice=espeak_voice(say.language, say.voice),
            words_per_minute=round(_WORDS_PER_MINUTE * rate),
            ssml=say.ssml,
        )
        answer: Answer = msgspec.msgpack.decode(
            await self._espeak.ask(msgspec.msgpack.encode(job)), type=Answer
        )
        match answer:
            case Failed():
                raise PromptUnavailable(answer.message)
            case Sound():
                samples = await self._sounds.resample(answer.samples, answer.rate)
        return await asyncio.to_thread(
            lambda: self._cache.put(key, levelled(np.frombuffer(samples, "<i2")).tobytes())
        )


def levelled(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Speech at -19 dBFS (RMS of what is not pause); peaks above -1 dBFS are bent back instead of clipped."""
    audio = samples.astype(np.float64)
    spoken = audio[np.abs(audio) > _SPEECH_THRESHOLD]
    if not spoken.size:
        return samples.astype("<i2")
    audio *= _WANTED_RMS / np.sqrt(np.mean(spoken**2))
    knee = _HIGHEST_PEAK / 2
    over = np.abs(audio) > knee
    audio[over] = np.sign(audio[over]) * (knee + knee * np.tanh((np.abs(audio[over]) - knee) / knee))
    quiet: NDArray[np.int16] = audio.astype("<i2")
    return quiet
