"""Transcription put together from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sautikitd.app import Platform
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.settings import Settings
from sautikitd.settings_readers import named_paths
from sautikitd.transcription.callbacks import TranscriptionCallbacks
from sautikitd.transcription.engine import Transcriber
from sautikitd.transcription.offline import VoskTranscriber
from sautikitd.transcription.remote import RemoteTranscriber, TranscriptionService
from sautikitd.transcription.service import Transcriptions
from sautikitd.transcription.worker import TranscriptionWorker


@asynccontextmanager
async def open_transcription(platform: Platform) -> AsyncIterator[TranscriptionWorker]:
    """The worker, its engine ready. The operator's own address may be a private one, and only it is asked."""
    async with (
        EgressClient(EgressGuard(allow_private=True)) as egress,
        EgressClient(platform.guard) as customers,
    ):
        transcriptions = Transcriptions(
            database=platform.database,
            store=platform.recording_store,
            events=platform.events,
            clock=platform.clock,
            waker=platform.waker,
            engine=engine_of(platform.settings, egress),
        )
        callbacks = TranscriptionCallbacks(
            database=platform.database,
            egress=customers,
            secrets=platform.signing_secrets,
            clock=platform.clock,
            public_url=platform.settings.public_url,
        )
        yield TranscriptionWorker(transcriptions, callbacks, platform.clock)


def engine_of(settings: Settings, egress: EgressClient) -> Transcriber | None:
    """The service where one is configured, else vosk where it has models, else none."""
    if settings.transcription_url:
        service = TranscriptionService(
            url=settings.transcription_url,
            key=settings.transcription_key,
            model=settings.transcription_model,
        )
        return RemoteTranscriber(egress, service)
    if settings.vosk_models:
        return VoskTranscriber(named_paths(settings.vosk_models))
    return None
