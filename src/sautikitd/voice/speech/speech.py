"""Text to speech: a `Say` becomes a file of samples, made once and then found in the cache."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from sautikitd.clock import Clock, SystemClock
from sautikitd.flow.port import PromptUnavailable, Say
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.engine import Engine, Unspeakable, Utterance
from sautikitd.voice.speech.espeak import Espeak
from sautikitd.voice.speech.reading.grammar import read_out
from sautikitd.voice.speech.sounds import Sounds
from sautikitd.voice.speech.ssml import rendered_ssml, without_volume

log = structlog.get_logger()

MAX_TEXT = 4_000  # characters, contract section 5
REST_S = 30.0
"""An engine that failed is not asked again for so long: no caller is to wait for what is known to be down."""

_SLOWEST, _FASTEST = 0.5, 2.0
_VERSION = b"speech 3"  # of the sound made of a text: changed when that changes
_WANTED_RMS = 32768 * 10 ** (-19 / 20)
_HIGHEST_PEAK = 32768 * 10 ** (-1 / 20)
_SPEECH_THRESHOLD = 300  # samples quieter than this are pauses, and do not count for loudness

Normalise = Callable[[str, str], str]
"""A plain text and its language (BCP 47) to the text with figures in words."""

Warn = Callable[[str], None]


def _unheard(warning: str) -> None:
    """For whoever does not want to know."""


class Speech:
    """Engines by name, the first of `engines` the one for voices that name none, and espeak-ng behind them all."""

    def __init__(
        self,
        cache: PromptCache,
        sounds: Sounds,
        *,
        engines: Sequence[Engine] = (),
        normalise: Normalise = read_out,
        clock: Clock | None = None,
    ) -> None:
        self._cache = cache
        self._normalise = normalise
        self._clock = clock or SystemClock()
        self.espeak = Espeak(sounds)
        self._engines: dict[str, Engine] = {engine.name: engine for engine in (*engines, self.espeak)}
        self._resting: dict[str, float] = {}
        self._making: dict[str, asyncio.Task[Path]] = {}

    async def render(self, say: Say, warn: Warn = _unheard) -> Path:
        """Raw samples (s16le, 8 kHz, mono) at about -19 dBFS. Raises `PromptUnavailable`.

        What another engine cannot speak, or not in time, espeak-ng speaks, and `warn` hears of it.
        """
        if len(say.text) > MAX_TEXT:
            raise PromptUnavailable(f"the text has more than {MAX_TEXT} characters")
        engine, utterance = self._spoken(say, warn)
        if engine is not self.espeak:
            try:
                return await self._rendered(engine, utterance)
            except PromptUnavailable as failure:
                warn(f"{failure}; spoken by espeak-ng instead")
                utterance = msgspec.structs.replace(utterance, voice="woman")
        return await self._rendered(self.espeak, utterance)

    async def close(self) -> None:
        """Ends the engines. The `Sounds` given are their owner's to close."""
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        for engine in self._engines.values():
            await engine.close()

    def _spoken(self, say: Say, warn: Warn) -> tuple[Engine, Utterance]:
        """Who speaks it, and how it is put to him. Raises `PromptUnavailable` for SSML that is not well-formed."""
        engine, voice = next(iter(self._engines.values())), say.voice
        name, colon, named = say.voice.partition(":")
        if colon and name in self._engines:
            engine, voice = self._engines[name], named
        elif colon:
            warn(f"there is no engine {name} here; spoken as woman by {engine.name}")
            voice = "woman"
        markup = rendered_ssml(say.text, say.language, self._normalise) if say.ssml else None
        return engine, Utterance(
            text=markup.text if markup else self._normalise(say.text, say.language),
            markup=markup.ssml if markup else None,
            voice=voice,
            language=say.language,
            rate=min(max(say.rate, _SLOWEST), _FASTEST),
        )

    async def _rendered(self, engine: Engine, utterance: Utterance) -> Path:
        key = self._cache.key(_VERSION, engine.name.encode(), msgspec.msgpack.encode(utterance))
        found = await asyncio.to_thread(self._cache.find, key)
        if found is not None:
            return found
        task = self._making.get(key)
        if task is None:  # one rendering serves everybody who waits for it
            task = self._making[key] = asyncio.ensure_future(self._make(key, engine, utterance))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _make(self, key: str, engine: Engine, utterance: Utterance) -> Path:
        if self._resting.get(engine.name, 0.0) > self._clock.monotonic():
            raise PromptUnavailable(f"the engine {engine.name} failed a moment ago")
        try:
            samples = await engine.speak(utterance)
            evenly = without_volume(utterance.markup)
            usual = (
                await engine.speak(msgspec.structs.replace(utterance, markup=evenly)) if evenly else samples
            )
        except PromptUnavailable as failure:
            if engine is not self.espeak and not isinstance(failure, Unspeakable):
                self._resting[engine.name] = self._clock.monotonic() + REST_S
                log.warning("speech.engine_failed", engine=engine.name, error=str(failure))
            raise
        return await asyncio.to_thread(
            lambda: self._cache.put(
                key, levelled(np.frombuffer(samples, "<i2"), np.frombuffer(usual, "<i2")).tobytes()
            )
        )


def levelled(samples: NDArray[np.int16], usual: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """Speech at -19 dBFS (RMS of what is not pause); peaks above -1 dBFS are bent back instead of clipped.

    `usual` is the same speech where nothing asks to be softer or louder: it sets the level, so that this is heard.
    """
    audio = samples.astype(np.float64)
    measured = (samples if usual is None else usual).astype(np.float64)
    spoken = measured[np.abs(measured) > _SPEECH_THRESHOLD]
    if not spoken.size:
        return samples.astype("<i2")
    audio *= _WANTED_RMS / np.sqrt(np.mean(spoken**2))
    knee = _HIGHEST_PEAK / 2
    over = np.abs(audio) > knee
    audio[over] = np.sign(audio[over]) * (knee + knee * np.tanh((np.abs(audio[over]) - knee) / knee))
    quiet: NDArray[np.int16] = audio.astype("<i2")
    return quiet
