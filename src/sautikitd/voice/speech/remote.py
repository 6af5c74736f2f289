"""A speech service over HTTP, of the operator's choice, in the form that most of them offer:
`POST /v1/audio/speech {model, input, voice, speed, response_format}`, answered with a sound file."""

from collections.abc import Mapping

import msgspec

from sautikitd.egress.client import EgressClient, EgressLimits
from sautikitd.egress.failures import EgressFailure
from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.speech.engine import Utterance
from sautikitd.voice.speech.sounds import MAX_FILE_BYTES, Sounds

_TIMEOUT_S = 8.0


class SpeechService(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is the whole address; `key` is sent as a bearer credential. `voices` are the service's names for ours,
    by language and voice (`sw.woman`), language (`sw`) or voice (`woman`); what is not there is sent as it is."""

    url: str
    key: str | None = None
    model: str = "tts-1"
    voices: Mapping[str, str] = {}


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    input: str
    voice: str
    speed: float
    response_format: str = "wav"


class RemoteSpeech:
    name = "http"

    def __init__(
        self, sounds: Sounds, egress: EgressClient, service: SpeechService, *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        """`egress` is guarded as the operator's own services are: private addresses may be among them."""
        self._sounds = sounds
        self._egress = egress
        self._service = service
        self._limits = EgressLimits(total_s=timeout_s, body_bytes=MAX_FILE_BYTES, truncate=False)

    async def speak(self, utterance: Utterance) -> bytes:
        order = _Order(
            model=self._service.model,
            input=utterance.text,
            voice=self._voice_of(utterance),
            speed=utterance.rate,
        )
        headers = {"Content-Type": "application/json", "Accept": "audio/*"}
        if self._service.key:
            headers["Authorization"] = f"Bearer {self._service.key}"
        try:
            exchange = await self._egress.request(
                "POST",
                self._service.url,
                live=False,
                headers=headers,
                body=msgspec.json.encode(order),
                limits=self._limits,
            )
        except EgressFailure as failure:
            raise PromptUnavailable(f"the speech service failed: {failure.message}") from failure
        if not exchange.ok:
            raise PromptUnavailable(f"the speech service answered {exchange.status}")
        return await self._sounds.decode(exchange.body)

    async def close(self) -> None:
        """The client belongs to whoever made it."""

    def _voice_of(self, utterance: Utterance) -> str:
        primary = utterance.language.partition("-")[0]
        for name in (f"{primary}.{utterance.voice}", primary, utterance.voice):
            if name in self._service.voices:
                return self._service.voices[name]
        return utterance.voice
