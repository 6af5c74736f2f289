"""The node's recording book: rows begun before a file is written, and files handed over when they are complete."""

import asyncio
from pathlib import Path
from uuid import UUID

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.flow.port import RecordingTold, TranscriptionWish
from sautikitd.ids import uuid7
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.spool import Spool
from sautikitd.transcription.service import request_transcription
from sautikitd.voice.recording_book import RecordingPlace, RunningRecordings

log = structlog.get_logger(__name__)

RESUME_EVERY_S = 10.0
_TRY_AGAIN_S = 0.25
_PATIENCE = 40  # attempts: ten seconds, after which the node's lease is in danger anyway


class NodeRecordings:
    """Knows the calls of the node. The recordings of a leg that won a group belong to the group's call."""

    def __init__(
        self, service: RecordingService, spool: Spool, database: Database, node_id: UUID, clock: Clock
    ) -> None:
        self._service = service
        self._spool = spool
        self._database = database
        self._node_id = node_id
        self._clock = clock
        self._calls: dict[UUID, CallRecord] = {}
        self._conferences: set[UUID] = set()
        self._finishing: set[asyncio.Task[None]] = set()
        self._beginning: dict[UUID, asyncio.Future[None]] = {}
        self._writers: dict[UUID, RunningRecordings] = {}
        self._unstored: dict[UUID, asyncio.Future[None]] = {}

    def know(self, leg_id: UUID, call: CallRecord) -> None:
        """Recordings of the leg `leg_id` are the call's."""
        self._calls[leg_id] = call

    def know_conference(self, room_id: UUID, owner: CallRecord) -> None:
        """Recordings of the conference `room_id` are of its owner's call, and say which conference they are of."""
        self.know(room_id, owner)
        self._conferences.add(room_id)

    def forget(self, leg_id: UUID) -> None:
        self._calls.pop(leg_id, None)
        self._conferences.discard(leg_id)

    def known(self, leg_id: UUID) -> CallRecord | None:
        """The call that the leg `leg_id` is of, as it was when the leg was made."""
        return self._calls.get(leg_id)

    @property
    def running(self) -> int:
        """How many files are being written."""
        return len(self._writers)

    async def writer_of(self, recording_id: UUID) -> RunningRecordings | None:
        """Who writes a recording of this node's, of a leg or of a room; None when nobody does any more. Waits for
        one that is in the books, so that others know of it, but is not being written yet."""
        if beginning := self._beginning.get(recording_id):
            await asyncio.wait({beginning})
        return self._writers.get(recording_id)

    async def begin(
        self,
        call_id: UUID,
        channels: int,
        recording_id: UUID | None = None,
        transcription: TranscriptionWish | None = None,
        told: RecordingTold | None = None,
    ) -> RecordingPlace:
        """Waits a while for a database that is away, then raises one of `DatabaseUnavailable`: what is not in the
        books is not recorded."""
        call, recording_id = self._calls[call_id], recording_id or uuid7()
        conference_id = call_id if call_id in self._conferences else None
        self._beginning[recording_id] = asyncio.get_running_loop().create_future()
        try:
            for _ in range(_PATIENCE):
                try:
                    return await self._enter(call, recording_id, channels, transcription, told, conference_id)
                except DatabaseUnavailable as exc:
                    log.warning("node.recording_waits", recording_id=str(recording_id), error=repr(exc))
                await self._clock.sleep(_TRY_AGAIN_S)
            return await self._enter(call, recording_id, channels, transcription, told, conference_id)
        except BaseException:
            self._begun(recording_id)
            raise

    async def _enter(
        self,
        call: CallRecord,
        recording_id: UUID,
        channels: int,
        transcription: TranscriptionWish | None,
        told: RecordingTold | None,
        conference_id: UUID | None,
    ) -> RecordingPlace:
        async with self._database.transaction() as connection:
            path = await self._service.begin(
                connection,
                recording_id=recording_id,
                call_id=call.id,
                workspace_id=call.workspace_id,
                mode=call.mode,
                channels=channels,
                node_id=self._node_id,
                spool=self._spool,
                told=told,
                conference_id=conference_id,
                now=self._clock.now(),
            )
            if transcription is not None:
                await request_transcription(connection, recording_id, transcription, self._clock.now())
        return RecordingPlace(recording_id, path)

    def started(self, place: RecordingPlace, writer: RunningRecordings) -> None:
        self._writers[place.recording_id] = writer
        self._unstored[place.recording_id] = asyncio.get_running_loop().create_future()
        self._begun(place.recording_id)

    def _begun(self, recording_id: UUID) -> None:
        if beginning := self._beginning.pop(recording_id, None):
            beginning.set_result(None)

    async def stored(self, recording_id: UUID, within_s: float) -> None:
        """Waits until a recording is in the store, or cannot be, or the time is up."""
        if waiting := self._unstored.get(recording_id):
            await asyncio.wait({waiting}, timeout=within_s)

    def finished(self, call_id: UUID, place: RecordingPlace, duration_ms: int, failed: str | None) -> None:
        self._writers.pop(place.recording_id, None)
        exact = (
            None if failed or not duration_ms else duration_ms
        )  # None: the file's header is put right first
        task = asyncio.ensure_future(self._finish(place.recording_id, place.path, exact))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def run(self) -> None:
        """Finishes, now and every ten seconds, what dead nodes and failed uploads left behind; until cancelled."""
        while True:
            try:
                await self._service.resume(self._spool)
            except DatabaseUnavailable as exc:
                log.warning("node.recordings_wait", error=repr(exc))
            await self._clock.sleep(RESUME_EVERY_S)

    async def close(self) -> None:
        """Waits for the files under way."""
        await asyncio.gather(*self._finishing, return_exceptions=True)

    async def _finish(self, recording_id: UUID, path: Path, duration_ms: int | None) -> None:
        try:
            await self._service.finish(recording_id, path, duration_ms)
        except DatabaseUnavailable as exc:
            log.warning("node.recording_waits", recording_id=str(recording_id), error=repr(exc))
        finally:
            if waiting := self._unstored.pop(recording_id, None):
                waiting.set_result(None)
