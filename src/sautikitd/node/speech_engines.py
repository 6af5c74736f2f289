"""The engines of speech that the operator has configured, put together from the settings."""

import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.settings import Settings
from sautikitd.settings_readers import named, named_paths
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.engine import Engine
from sautikitd.voice.speech.piper import Piper
from sautikitd.voice.speech.remote import RemoteSpeech, SpeechService
from sautikitd.voice.speech.sounds import Sounds
from sautikitd.voice.speech.speech import Speech


@asynccontextmanager
async def open_speech(settings: Settings, cache: PromptCache, sounds: Sounds) -> AsyncIterator[Speech]:
    """A speech service goes before piper, and that before espeak-ng. Only the operator's own address is asked, which
    may be a private one."""
    async with AsyncExitStack() as held:
        engines: list[Engine] = []
        if settings.speech_url:
            egress = await held.enter_async_context(EgressClient(EgressGuard(allow_private=True)))
            service = SpeechService(
                url=settings.speech_url,
                key=settings.speech_key,
                model=settings.speech_model,
                voices=named(settings.speech_voices),
            )
            engines.append(RemoteSpeech(sounds, egress, service))
        if settings.piper_models:
            command = shlex.split(settings.piper_command)
            engines.append(Piper(sounds, named_paths(settings.piper_models), command=command))
        speech = Speech(cache, sounds, engines=engines)
        held.push_async_callback(speech.close)
        yield speech
