"""espeak-ng: always there, offline, in every language of the platform, and never mistaken for a human being."""

import msgspec

from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.speech.engine import Utterance
from sautikitd.voice.speech.jobs import Answer, Failed, Speak
from sautikitd.voice.speech.sounds import Sounds
from sautikitd.voice.speech.voices import espeak_voice
from sautikitd.voice.speech.worker import Worker

_TIMEOUT_S = 20.0
_WORDS_PER_MINUTE = 160  # a little under the engine's 175: it is heard over a telephone


class Espeak:
    name = "espeak"

    def __init__(self, sounds: Sounds) -> None:
        self._sounds = sounds
        self.worker = Worker("sautikitd.voice.speech.espeak_worker", timeout_s=_TIMEOUT_S)

    async def speak(self, utterance: Utterance) -> bytes:
        job = Speak(
            text=(utterance.markup or utterance.text).replace("\0", " "),
            voice=espeak_voice(utterance.language, utterance.voice),
            words_per_minute=round(_WORDS_PER_MINUTE * utterance.rate),
            ssml=utterance.markup is not None,
        )
        answer: Answer = msgspec.msgpack.decode(
            await self.worker.ask(msgspec.msgpack.encode(job)), type=Answer
        )
        if isinstance(answer, Failed):
            raise PromptUnavailable(answer.message)
        return await self._sounds.resample(answer.samples, answer.rate)

    async def close(self) -> None:
        await self.worker.close()
