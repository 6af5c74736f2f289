"""The addresses of recordings (contract §4.5)."""

from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import search as calls
from sautikitd.calls.errors import CallNotFound, NodeSilent
from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection, Database
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.principal import Scope
from sautikitd.recordings import repository
from sautikitd.recordings.download import download
from sautikitd.recordings.errors import (
    LinkExpired,
    LinkInvalid,
    RangeNotSatisfiable,
    RecordingExpired,
    RecordingFailed,
    RecordingNotFound,
    RecordingNotRunning,
    RecordingUnfinished,
    StorageUnavailable,
)
from sautikitd.recordings.links import DOWNLOAD_PATH, Links
from sautikitd.recordings.media import DownloadLink, Media, MediaQuery, Pending
from sautikitd.recordings.models import Command, Recording, RecordingPolicy, StoredRecording, shown_as
from sautikitd.recordings.mp3 import Mp3Maker
from sautikitd.recordings.retention import Retention
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.store import RecordingStore


class RecordingAnswer(msgspec.Struct):
    recording: Recording


class CommandAnswer(msgspec.Struct):
    """Handed to the node that records, which acts on it within a fraction of a second."""

    recording_id: UUID
    command: Command


Request = ApiRequest[Any, Any]


class RecordingRoutes:
    tag = "Recordings"

    def __init__(
        self,
        *,
        database: Database,
        service: RecordingService,
        retention: Retention,
        store: RecordingStore,
        links: Links,
        mp3: Mp3Maker,
        policy: RecordingPolicy | None = None,
    ) -> None:
        self._database = database
        self._service = service
        self._retention = retention
        self._store = store
        self._links = links
        self._media = Media(links, mp3, policy or RecordingPolicy())

    @endpoint(
        "GET",
        "/v1/calls/{call_id}/recording",
        scope=Scope.RECORDINGS_READ,
        query=MediaQuery,
        answers={200: DownloadLink, 202: Pending, 302: None},
        errors=(CallNotFound, RecordingNotFound, RecordingFailed, RecordingExpired, StorageUnavailable),
        needs_connection=False,
    )
    async def download_newest(self, request: Request) -> Answer:
        """Download the newest recording of a call.

        Redirects to a link that is good for 15 minutes, or gives it as JSON when `Accept` names JSON alone.
        While the recording, or its MP3, is being written the answer is 202.
        """
        async with self._database.connection() as connection:
            recording = await _newest_of(connection, request)
        return await self._media.answer(recording, request)

    @endpoint(
        "DELETE",
        "/v1/calls/{call_id}/recording",
        scope=Scope.CALLS_WRITE,
        answers={204: None},
        errors=(CallNotFound, RecordingNotFound, RecordingUnfinished),
    )
    async def delete_newest(self, request: Request) -> Answer:
        """Delete the newest recording of a call.

        For good, and harmless to repeat: an older recording of the call is not touched.
        """
        return await self._delete(request, await _newest_of(request.connection, request))

    @endpoint(
        "GET",
        "/v1/calls/{call_id}/recordings",
        scope=Scope.RECORDINGS_READ,
        query=PageQuery,
        answers={200: Page[Recording]},
        errors=(CallNotFound,),
    )
    async def list_of_call(self, request: Request) -> Answer:
        """List the recordings of a call, newest first."""
        limit = request.query.limit
        rows = await repository.list_of_call(
            request.connection,
            (await _call_of(request.connection, request)).id,
            limit=limit,
            before=decode_cursor(request.query.cursor),
        )
        return Answer(body=page(rows, limit, shown_as, lambda row: row.id))

    @endpoint(
        "GET",
        "/v1/recordings/{recording_id}",
        scope=Scope.RECORDINGS_READ,
        answers={200: RecordingAnswer},
        errors=(RecordingNotFound,),
    )
    async def read(self, request: Request) -> Answer:
        """Read a recording, also one that is deleted or expired."""
        return Answer(body=RecordingAnswer(shown_as(await _recording_of(request.connection, request))))

    @endpoint(
        "DELETE",
        "/v1/recordings/{recording_id}",
        scope=Scope.CALLS_WRITE,
        answers={204: None},
        errors=(RecordingNotFound, RecordingUnfinished),
    )
    async def delete(self, request: Request) -> Answer:
        """Delete a recording for good; harmless to repeat."""
        return await self._delete(request, await _recording_of(request.connection, request))

    @endpoint(
        "GET",
        "/v1/recordings/{recording_id}/media",
        scope=Scope.RECORDINGS_READ,
        query=MediaQuery,
        answers={200: DownloadLink, 202: Pending, 302: None},
        errors=(RecordingNotFound, RecordingFailed, RecordingExpired, StorageUnavailable),
        needs_connection=False,
    )
    async def download_one(self, request: Request) -> Answer:
        """Download a recording.

        Answers as the newest recording of a call does.
        """
        async with self._database.connection() as connection:
            recording = await _recording_of(connection, request)
        return await self._media.answer(recording, request)

    @endpoint(
        "POST",
        "/v1/recordings/{recording_id}/pause",
        scope=Scope.CALLS_WRITE,
        answers={202: CommandAnswer},
        errors=(RecordingNotFound, RecordingNotRunning, NodeSilent),
    )
    async def pause(self, request: Request) -> Answer:
        """Pause a running recording: what is said meanwhile is not in it."""
        return await self._command(request, Command.PAUSE)

    @endpoint(
        "POST",
        "/v1/recordings/{recording_id}/resume",
        scope=Scope.CALLS_WRITE,
        answers={202: CommandAnswer},
        errors=(RecordingNotFound, RecordingNotRunning, NodeSilent),
    )
    async def resume(self, request: Request) -> Answer:
        """Resume a paused recording."""
        return await self._command(request, Command.RESUME)

    @endpoint(
        "POST",
        "/v1/recordings/{recording_id}/stop",
        scope=Scope.CALLS_WRITE,
        answers={202: CommandAnswer},
        errors=(RecordingNotFound, RecordingNotRunning, NodeSilent),
    )
    async def stop(self, request: Request) -> Answer:
        """Stop a running recording; the call goes on."""
        return await self._command(request, Command.STOP)

    @endpoint(
        "GET",
        DOWNLOAD_PATH + "/{token}",
        authenticated=False,
        answers={200: "audio/wav", 206: "audio/wav", 304: None},
        errors=(LinkInvalid, LinkExpired, RecordingExpired, RangeNotSatisfiable, StorageUnavailable),
        needs_connection=False,
    )
    async def download(self, request: Request) -> Answer:
        """Download by a link of ours: no key is needed, the link itself is signed.

        Takes Range and If-Range, If-None-Match and If-Modified-Since.
        """
        key = self._links.object_key(request.path["token"], request.now)
        return await download(self._store, key, request.headers)

    async def _delete(self, request: Request, recording: StoredRecording) -> Answer:
        await self._service.delete(request.connection, recording.id)

        async def purge() -> None:
            await self._retention.purge(recording.id)

        request.after_commit.append(purge)
        return Answer(status=204)

    async def _command(self, request: Request, command: Command) -> Answer:
        recording = await _recording_of(request.connection, request)
        await self._service.command(request.connection, recording, command, request.now)
        request.after_commit.append(self._service.wake_node)
        return Answer(status=202, body=CommandAnswer(recording.id, command))


async def _call_of(connection: Connection, request: Request) -> CallRecord:
    """The call the path names, by id or session id, where this key may see it."""
    reference, principal = request.path["call_id"], request.principal
    call = await calls.find(connection, principal.workspace_id, principal.mode, reference)
    if not principal.may_use_number(call.number_id):
        raise CallNotFound(reference=reference[:64])
    return call


async def _newest_of(connection: Connection, request: Request) -> StoredRecording:
    call = await _call_of(connection, request)
    newest = await repository.latest_of(connection, [call.id])
    if not newest:
        raise RecordingNotFound
    return newest[0]


async def _recording_of(connection: Connection, request: Request) -> StoredRecording:
    """The recording the path names, where this key may see it."""
    recording_id = _uuid(request.path["recording_id"])
    recording = await repository.find(connection, recording_id) if recording_id else None
    principal = request.principal
    if (
        recording is None
        or (recording.workspace_id, recording.mode) != (principal.workspace_id, principal.mode)
        or not principal.may_use_number(recording.number_id)
    ):
        raise RecordingNotFound
    return recording


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
