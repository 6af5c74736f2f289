"""A recording's way from a file of a voice node to an object in the store, and back out of it.

Whatever crashes between two steps, the file in the spool or the row's `purge_after` says what is left
to do: `resume` finishes files, `retention.purge` removes objects. Every step may be done twice.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from sautikitd.calls import commands
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.live import refuse_silent
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.database.wake import Waker
from sautikitd.events.kinds import EventKind, RecordingPayload
from sautikitd.events.log import CHANNEL, EventLog
from sautikitd.events.models import Endpoint, Event, Mode
from sautikitd.flow.port import RecordingTold
from sautikitd.ids import uuid7
from sautikitd.recordings import repository
from sautikitd.recordings.errors import RecordingNotRunning, RecordingUnfinished
from sautikitd.recordings.links import Link, Links
from sautikitd.recordings.models import (
    UNFINISHED,
    Command,
    Failure,
    RecordingPolicy,
    RecordingStatus,
    RecordingSummary,
    StoredRecording,
    summary_of,
)
from sautikitd.recordings.spool import FileBusy, FileMissing, Spool, discard, held
from sautikitd.recordings.store import RecordingStore, StoreUnavailable
from sautikitd.timestamps import rfc3339
from sautikitd.voice.media.tape.wav import repair_wav

log = structlog.get_logger()

_CUT_OFF, _STOPPING = "over, for its voice node has gone", "being stopped"


class UnknownRecording(LookupError):
    """No row has this id: `begin` was never committed."""


class RecordingService:
    def __init__(
        self,
        *,
        database: Database,
        store: RecordingStore,
        links: Links,
        events: EventLog,
        clock: Clock,
        waker: Waker,
        policy: RecordingPolicy | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._links = links
        self._events = events
        self._clock = clock
        self._waker = waker
        self._policy = policy or RecordingPolicy()
        # Handed to `finish` and not finished: while this process lives only it knows that these files are whole.
        self._closed: dict[UUID, Path] = {}

    async def begin(
        self,
        connection: Connection,
        *,
        recording_id: UUID,
        call_id: UUID,
        workspace_id: UUID,
        mode: Mode,
        channels: int,
        node_id: UUID,
        spool: Spool,
        now: datetime,
        told: RecordingTold | None = None,
        conference_id: UUID | None = None,
    ) -> Path:
        """Makes the row, status `recording`; returns the file to write once the transaction has committed."""
        await repository.insert(
            connection,
            recording_id=recording_id,
            call_id=call_id,
            workspace_id=workspace_id,
            mode=mode,
            channels=channels,
            node_id=node_id,
            spool_id=spool.id,
            told=told,
            conference_id=conference_id,
            object_key=f"{workspace_id}/{mode}/{now:%Y/%m/%d}/{recording_id}.wav",
            now=now,
        )
        return spool.path_of(recording_id)

    async def finish(
        self, recording_id: UUID, wav_path: Path, duration_ms: int | None = None
    ) -> RecordingStatus:
        """Stores the closed file, tells of it and removes it; returns the status it came to.

        Without `duration_ms` (its writer died) the header is put right first. `processing` means that the
        store cannot be reached or that another task is at it; the file stays for `resume`. Harmless to repeat.
        Raises `UnknownRecording`, or one of `DatabaseUnavailable`: then too the file stays.
        """
        self._closed[recording_id] = wav_path
        try:
            status = await self._finish_alone(recording_id, wav_path, duration_ms)
        except UnknownRecording:
            self._closed.pop(recording_id, None)
            raise
        if status is not RecordingStatus.PROCESSING:
            self._closed.pop(recording_id, None)
        return status

    async def _finish_alone(
        self, recording_id: UUID, wav_path: Path, duration_ms: int | None
    ) -> RecordingStatus:
        try:
            with held(wav_path):
                return await self._finish(recording_id, wav_path, duration_ms)
        except FileBusy:
            return RecordingStatus.PROCESSING
        except FileMissing:
            return await self.fail(recording_id, Failure.FILE_MISSING)

    async def _finish(self, recording_id: UUID, wav_path: Path, duration_ms: int | None) -> RecordingStatus:
        recording = await self._start_processing(recording_id)
        if recording.status is not RecordingStatus.PROCESSING:
            discard(wav_path)
            return recording.status
        try:
            if duration_ms is None:
                duration_ms = await asyncio.to_thread(repair_wav, wav_path)
        except ValueError as exc:
            log.warning("recording damaged", recording_id=str(recording_id), error=str(exc))
            status = await self.fail(recording_id, Failure.FILE_DAMAGED)
        else:
            stored = await self._stored(recording, wav_path)
            if stored is None:
                return RecordingStatus.PROCESSING
            status = await self._publish(recording, duration_ms, *stored)
        discard(wav_path)
        return status

    async def _stored(self, recording: StoredRecording, wav_path: Path) -> tuple[int, Link] | None:
        """The size of the uploaded object and a link to it; None while the store cannot be reached."""
        try:
            size = await self._store.put(recording.object_key, wav_path)
            lifetime = self._policy.event_link_lifetime
            return size, await self._links.link(recording.object_key, self._clock.now(), lifetime)
        except StoreUnavailable as exc:
            log.warning("recording not stored yet", recording_id=str(recording.id), error=str(exc))
            return None

    async def _start_processing(self, recording_id: UUID) -> StoredRecording:
        async with self._database.transaction() as connection:
            await repository.mark_processing(connection, recording_id)
            return await self._found(connection, recording_id)

    async def _publish(
        self, recording: StoredRecording, duration_ms: int, size_bytes: int, link: Link
    ) -> RecordingStatus:
        """`ready` and `recording.ready` in one transaction. Where the recording has ended otherwise, its object goes."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await repository.lock_call(connection, recording.id)
            ready = await repository.mark_ready(
                connection,
                recording.id,
                duration_ms=duration_ms,
                size_bytes=size_bytes,
                ready_at=now,
                expires_at=now + self._policy.retention,
            )
            if not ready:
                await repository.purge_again(connection, recording.id, now)
            recording = await self._found(connection, recording.id)
            if ready:
                await self._tell(connection, EventKind.RECORDING_READY, recording, now, link)
        await self._waker.wake(CHANNEL)
        return recording.status

    async def fail(self, recording_id: UUID, failure: Failure) -> RecordingStatus:
        """Gives an unfinished recording up, with its event; one that is finished stays as it is."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await repository.lock_call(connection, recording_id)
            failed = await repository.mark_failed(connection, recording_id, failure, now)
            recording = await self._found(connection, recording_id)
            if failed:
                await self._tell(connection, EventKind.RECORDING_FAILED, recording, now)
        await self._waker.wake(CHANNEL)
        return recording.status

    async def resume(self, spool: Spool) -> dict[UUID, RecordingStatus]:
        """Finishes what dead nodes, failed uploads and database outages left in this spool; returns what became of each.

        Run it when a voice node starts and every few seconds after. A recording whose file is missing here
        fails, for a spool's files lie nowhere else. Files of finished recordings are removed; files
        nobody knows are left alone. Files of other spools are left to those who can see them.
        """
        async with self._database.connection() as connection:
            left = await repository.unfinished_in(connection, spool.id, self._clock.now())
        files = {recording_id: spool.path_of(recording_id) for recording_id in left}
        files |= {known: path for known, path in self._closed.items() if path.parent == spool.folder}
        outcome = {known: await self.finish(known, path) for known, path in files.items()}
        async with self._database.connection() as connection:
            statuses = await repository.statuses_of(connection, list(spool.recordings()))
        for recording_id, status in statuses.items():
            if status not in UNFINISHED:
                discard(spool.path_of(recording_id))
        return outcome

    async def delete(self, connection: Connection, recording_id: UUID) -> None:
        """Marks it deleted, once and for all; call `Retention.purge` after commit to remove its objects at once.

        Raises `RecordingUnfinished` (409) while it is being written. Harmless to repeat.
        """
        if await repository.mark_deleted(connection, recording_id, self._clock.now()):
            return
        if (await self._found(connection, recording_id)).status in UNFINISHED:
            raise RecordingUnfinished

    async def command(
        self, connection: Connection, recording: StoredRecording, command: Command, now: datetime
    ) -> None:
        """Leaves a command for the node that records, be the call over or not; `wake_node` after commit.

        Raises `RecordingNotRunning` (409), also for one that has been asked to stop, and `NodeSilent` (503).
        """
        running = await repository.lock_running(connection, recording.id)
        if running is None:
            status = (await self._found(connection, recording.id)).status
            raise RecordingNotRunning(status=_CUT_OFF if status is RecordingStatus.RECORDING else status)
        if running.stopping and command is not Command.STOP:
            raise RecordingNotRunning(status=_STOPPING)
        await refuse_silent(connection, running.node_id, self._clock.now())
        if command is Command.STOP:
            await repository.ask_to_stop(connection, recording.id, now)
        kind, payload = CommandKind(f"recording.{command}"), {"recording_id": str(recording.id)}
        await commands.give(connection, recording.call_id, kind, now, payload, node_id=running.node_id)

    async def wake_node(self) -> None:
        await self._waker.wake(commands.CHANNEL)

    async def latest(self, connection: Connection, call_ids: Iterable[UUID]) -> dict[UUID, RecordingSummary]:
        """The newest recording of each call that has one, as the Call shows it."""
        found = await repository.latest_of(connection, call_ids)
        return {stored.call_id: summary_of(stored) for stored in found}

    async def _found(self, connection: Connection, recording_id: UUID) -> StoredRecording:
        recording = await repository.find(connection, recording_id)
        if recording is None:
            raise UnknownRecording(f"{recording_id}: {UnknownRecording.__doc__}")
        return recording

    async def _tell(
        self,
        connection: Connection,
        kind: EventKind,
        recording: StoredRecording,
        now: datetime,
        link: Link | None = None,
    ) -> None:
        call = await repository.next_event(connection, recording.call_id)
        payload = RecordingPayload(
            recording_id=recording.id,
            call_id=recording.call_id,
            number_id=recording.number_id,
            session_id=recording.session_id,
            sequence=call.sequence,
            channels=recording.channels,
            duration_seconds=recording.duration_seconds,
            size_bytes=recording.size_bytes,
            download_url=link.url if link else None,
            error=recording.error,
            client_request_id=call.client_request_id,
            media_url=self._links.media_url(recording.id),
            source=recording.source,
            conference_id=recording.conference_id,
        )
        data = msgspec.to_builtins(payload) | {"started_at": rfc3339(recording.created_at)}
        if link:
            data["expires_at"] = rfc3339(link.expires_at)
        event = Event(
            id=uuid7(),
            workspace_id=recording.workspace_id,
            mode=recording.mode,
            kind=kind,
            data=data,
            occurred_at=now,
            call_id=recording.call_id,
            number_id=recording.number_id,
            sequence=call.sequence,
        )
        urls = {url for url in (call.events_url, call.webhook_url) if url}
        told = [Endpoint(url=url) for url in sorted(urls)]
        if recording.status_url is not None:
            told.append(Endpoint(url=recording.status_url, form="twilio"))
        await self._events.record(connection, event, told)
