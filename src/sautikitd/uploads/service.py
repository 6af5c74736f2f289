"""Taking sound files in: checked by decoding them once, kept as they came."""

import asyncio
import hashlib
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Mode
from sautikitd.flow.port import PromptUnavailable
from sautikitd.ids import uuid7
from sautikitd.recordings.store import RecordingStore, StoreUnavailable, store_answers
from sautikitd.uploads import repository
from sautikitd.uploads.errors import TooManyUploads, UploadNotFound, UploadUnreadable
from sautikitd.uploads.form import SentFile
from sautikitd.uploads.models import SoundFormat, StoredUpload
from sautikitd.voice.speech.sound_format import Unreadable, sound_format
from sautikitd.voice.speech.sounds import Sounds

log = structlog.get_logger()

MOST_UPLOADS = 1000
"""Of one workspace and mode."""

_RATE_BYTES = 16_000  # a second of 16-bit samples at 8 kHz
_DECODING_AT_ONCE = 2
_PURGE_RETRY = timedelta(minutes=5)
_BATCH = 100


class AudioUploads:
    def __init__(self, store: RecordingStore, database: Database, clock: Clock) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._slots = asyncio.Semaphore(_DECODING_AT_ONCE)

    async def take(
        self, connection: Connection, workspace_id: UUID, mode: Mode, file: SentFile, now: datetime
    ) -> StoredUpload:
        """Keeps a file. Raises `UploadUnreadable` (422), `TooManyUploads` (409), `StorageUnavailable` (503)."""
        if await repository.count(connection, workspace_id, mode) >= MOST_UPLOADS:
            raise TooManyUploads(most=MOST_UPLOADS)
        try:
            form = sound_format(file.data)
            duration_ms = await self._duration_ms(file.data)
        except (Unreadable, PromptUnavailable) as error:
            raise UploadUnreadable(reason=str(error)) from error
        upload_id = uuid7()
        upload = StoredUpload(
            id=upload_id,
            workspace_id=workspace_id,
            mode=mode,
            name=file.name or f"{upload_id}.{form}",
            format=cast("SoundFormat", form),
            size_bytes=len(file.data),
            duration_ms=duration_ms,
            sha256=hashlib.sha256(file.data).hexdigest(),
            object_key=f"{workspace_id}/{mode}/uploads/{upload_id}.{form}",
            created_at=now,
        )
        await repository.insert(connection, upload)
        with store_answers():
            await self._keep(upload.object_key, file.data)
        return upload

    async def delete(
        self, connection: Connection, upload_id: UUID, workspace_id: UUID, mode: Mode, now: datetime
    ) -> None:
        """Calls that name it hear nothing from now on; `purge` removes the object. Raises `UploadNotFound` (404)."""
        if not await repository.mark_deleted(connection, upload_id, workspace_id, mode, now):
            raise UploadNotFound

    async def purge(self) -> None:
        """Removes the objects of deleted files; what the store does not take now is tried again later."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            due = await repository.claim_purges(connection, now, now + _PURGE_RETRY, _BATCH)
        for upload_id, object_key in due:
            try:
                await self._store.delete(object_key)
            except StoreUnavailable as error:
                log.warning("upload not removed yet", object_key=object_key, error=repr(error))
                continue
            async with self._database.connection() as connection:
                await repository.purged(connection, upload_id)

    async def _duration_ms(self, data: bytes) -> int:
        """Decodes it in a process of its own, which ends with it: nothing of one customer's stays for the next."""
        async with self._slots:
            sounds = Sounds()
            try:
                return len(await sounds.decode(data)) * 1000 // _RATE_BYTES
            finally:
                await sounds.close()

    async def _keep(self, object_key: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(prefix="sautikit-upload-") as file:
            path = Path(file.name)
            await asyncio.to_thread(path.write_bytes, data)
            await self._store.put(object_key, path)
