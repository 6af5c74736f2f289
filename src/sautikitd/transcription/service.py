"""A transcription's way: asked for with the recording, made once that is stored, told of once.

Whatever crashes, the row says what is left to do. The engine may be asked again after a crash; the result and its
event are one transaction, and there is one of them.
"""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.database.wake import Waker
from sautikitd.events.kinds import EventKind, TranscriptionPayload
from sautikitd.events.log import CHANNEL, EventLog
from sautikitd.events.models import Endpoint, Event
from sautikitd.flow.port import TranscriptionWish
from sautikitd.ids import uuid7
from sautikitd.recordings.store import RecordingStore, StoreUnavailable
from sautikitd.transcription import repository
from sautikitd.transcription.engine import Transcriber, Transcript, TranscriptionFailed
from sautikitd.transcription.models import (
    StoredTranscription,
    TranscriptionStatus,
    has_callback_of_its_own,
)

log = structlog.get_logger()

GAPS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30))
"""Between one attempt and the next; when they are used up it has failed."""

LEASE = timedelta(minutes=20)
"""An attempt that has not come back by then was killed. Longer than any engine may take."""

MOST_TOLD = 4_000
"""Characters of the text in an event, which stays small; all of it is at the API."""


async def request_transcription(
    connection: Connection, recording_id: UUID, wish: TranscriptionWish, now: datetime
) -> None:
    """Notes it, in the transaction that begins the recording."""
    await repository.insert(connection, recording_id, wish.language, wish.callback_url, now)


class Transcriptions:
    def __init__(
        self,
        *,
        database: Database,
        store: RecordingStore,
        events: EventLog,
        clock: Clock,
        waker: Waker,
        engine: Transcriber | None,
    ) -> None:
        """Without an `engine` what was asked for before it went fails."""
        self._database = database
        self._store = store
        self._events = events
        self._clock = clock
        self._waker = waker
        self._engine = engine

    async def work_one(self) -> bool:
        """Attempts the one that has waited longest; False when none is due. Raises one of `DatabaseUnavailable`."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            claimed = await repository.claim(connection, now, now + LEASE)
        if claimed is None:
            return False
        try:
            transcript = await self._attempt(claimed)
        except TranscriptionFailed as failure:
            await self._failed(claimed, failure)
        else:
            await self._settle(claimed, transcript, None)
        return True

    async def _attempt(self, claimed: StoredTranscription) -> Transcript:
        if claimed.recording_status != "ready":
            raise TranscriptionFailed(f"the recording is {claimed.recording_status}", final=True)
        if self._engine is None:
            raise TranscriptionFailed("no engine of transcription is configured any more", final=True)
        with tempfile.TemporaryDirectory(prefix="sautikit-transcription-") as folder:
            wav = Path(folder, "recording.wav")
            try:
                await self._store.fetch(claimed.object_key, wav)
            except FileNotFoundError as error:
                raise TranscriptionFailed("the recording is gone", final=True) from error
            except StoreUnavailable as error:
                raise TranscriptionFailed("the store of recordings does not answer", final=False) from error
            return await self._engine.transcribe(wav, claimed.wanted_language)

    async def _failed(self, claimed: StoredTranscription, failure: TranscriptionFailed) -> None:
        log.warning(
            "transcription.failed",
            recording_id=str(claimed.recording_id),
            attempt=claimed.attempts,
            error=str(failure),
        )
        if failure.final or claimed.attempts > len(GAPS):
            await self._settle(claimed, None, str(failure)[:500])
            return
        due_at = self._clock.now() + GAPS[claimed.attempts - 1]
        async with self._database.transaction() as connection:
            await repository.postpone(connection, claimed.recording_id, claimed.attempts, due_at)

    async def _settle(
        self, claimed: StoredTranscription, transcript: Transcript | None, error: str | None
    ) -> None:
        """The result and its event, in one transaction; nothing where another attempt was first."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await repository.lock_call(connection, claimed.call_id)
            settled = await repository.settle(
                connection,
                claimed.recording_id,
                text=transcript.text if transcript else None,
                language=transcript.language if transcript else None,
                engine=self._engine.name if self._engine else "none",
                error=error,
                now=now,
            )
            stored = await repository.find(connection, claimed.recording_id) if settled else None
            if stored is not None:
                await self._tell(connection, stored, now)
        await self._waker.wake(CHANNEL)

    async def _tell(self, connection: Connection, stored: StoredTranscription, now: datetime) -> None:
        call = await repository.next_event(connection, stored.call_id)
        done = stored.status is TranscriptionStatus.COMPLETED
        text = stored.text or ""
        payload = TranscriptionPayload(
            recording_id=stored.recording_id,
            call_id=stored.call_id,
            number_id=stored.number_id,
            session_id=stored.session_id,
            sequence=call.sequence,
            status=stored.status.value,
            text=text[:MOST_TOLD] if done else None,
            text_cut=len(text) > MOST_TOLD,
            language=stored.language,
            error=stored.error,
            client_request_id=call.client_request_id,
        )
        event = Event(
            id=uuid7(),
            workspace_id=stored.workspace_id,
            mode=stored.mode,
            kind=EventKind.RECORDING_TRANSCRIBED if done else EventKind.RECORDING_TRANSCRIPTION_FAILED,
            data=msgspec.to_builtins(payload),
            occurred_at=now,
            call_id=stored.call_id,
            number_id=stored.number_id,
            sequence=call.sequence,
        )
        callback_url = stored.callback_url
        if has_callback_of_its_own(stored):
            await repository.owe_callback(connection, stored.recording_id, now)
            callback_url = None
        urls = {url for url in (call.events_url, call.webhook_url, callback_url) if url}
        await self._events.record(connection, event, [Endpoint(url=url) for url in sorted(urls)])
