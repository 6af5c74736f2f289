"""The addresses of recordings (contract §4.5)."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Database
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.pagination import Limit, Page, decode_cursor, page
from sautikitd.identity.principal import Scope
from sautikitd.recordings import repository
from sautikitd.recordings.download import download
from sautikitd.recordings.errors import (
    CallNotFound,
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
from sautikitd.recordings.links import DOWNLOAD_PATH, Link, Links
from sautikitd.recordings.models import (
    GONE,
    Command,
    Format,
    Recording,
    RecordingPolicy,
    RecordingStatus,
    StoredRecording,
    shown_as,
)
from sautikitd.recordings.mp3 import Mp3Maker
from sautikitd.recordings.retention import Retention
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.store import RecordingStore, mp3_key, store_answers
from sautikitd.timestamps import rfc3339

_MP3_PATIENCE_S = 2.0


class MediaQuery(msgspec.Struct, forbid_unknown_fields=True):
    format: Format = Format.WAV


class ListQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: str | None = None


class DownloadLink(msgspec.Struct):
    """Good without a key until `expires_at`."""

    url: str
    expires_at: str


class Pending(msgspec.Struct):
    """Not there yet: ask again after so many seconds (also in Retry-After)."""

    retry_after_seconds: int
    status: Literal["pending"] = "pending"


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
        self._mp3 = mp3
        self._policy = policy or RecordingPolicy()

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
            recording = await self._newest(connection, request)
        waiting = _to_wait(recording)
        with store_answers():
            if waiting is None and request.query.format is Format.MP3:
                ready = await self._mp3.ready_within(recording, _MP3_PATIENCE_S)
                waiting = None if ready else Pending(retry_after_seconds=2)
            if waiting is not None:
                return Answer(
                    status=202, body=waiting, headers={"Retry-After": str(waiting.retry_after_seconds)}
                )
            link = await self._link(recording, request)
        if _wants_json(request.headers.get("accept", "")):
            return Answer(body=DownloadLink(link.url, rfc3339(link.expires_at)), secret=True)
        return Answer(status=302, headers={"Location": link.url}, secret=True)

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
        return await self._delete(request, await self._newest(request.connection, request))

    @endpoint(
        "GET",
        "/v1/calls/{call_id}/recordings",
        scope=Scope.RECORDINGS_READ,
        query=ListQuery,
        answers={200: Page[Recording]},
        errors=(CallNotFound,),
    )
    async def list_of_call(self, request: Request) -> Answer:
        """List the recordings of a call, newest first."""
        limit = request.query.limit
        rows = await repository.list_of_call(
            request.connection,
            await _call_of(request.connection, request),
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
        return Answer(body=RecordingAnswer(shown_as(await _recording_of(request))))

    @endpoint(
        "DELETE",
        "/v1/recordings/{recording_id}",
        scope=Scope.CALLS_WRITE,
        answers={204: None},
        errors=(RecordingNotFound, RecordingUnfinished),
    )
    async def delete(self, request: Request) -> Answer:
        """Delete a recording for good; harmless to repeat."""
        return await self._delete(request, await _recording_of(request))

    @endpoint(
        "POST",
        "/v1/recordings/{recording_id}/pause",
        scope=Scope.CALLS_WRITE,
        answers={202: CommandAnswer},
        errors=(RecordingNotFound, RecordingNotRunning),
    )
    async def pause(self, request: Request) -> Answer:
        """Pause a running recording: what is said meanwhile is not in it."""
        return await _command(request, Command.PAUSE)

    @endpoint(
        "POST",
        "/v1/recordings/{recording_id}/resume",
        scope=Scope.CALLS_WRITE,
        answers={202: CommandAnswer},
        errors=(RecordingNotFound, RecordingNotRunning),
    )
    async def resume(self, request: Request) -> Answer:
        """Resume a paused recording."""
        return await _command(request, Command.RESUME)

    @endpoint(
        "POST",
        "/v1/recordings/{recording_id}/stop",
        scope=Scope.CALLS_WRITE,
        answers={202: CommandAnswer},
        errors=(RecordingNotFound, RecordingNotRunning),
    )
    async def stop(self, request: Request) -> Answer:
        """Stop a running recording; the call goes on."""
        return await _command(request, Command.STOP)

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

    async def _newest(self, connection: Connection, request: Request) -> StoredRecording:
        call_id = await _call_of(connection, request)
        newest = await repository.latest_of(connection, [call_id])
        if not newest:
            raise RecordingNotFound
        return newest[0]

    async def _link(self, recording: StoredRecording, request: Request) -> Link:
        key = recording.object_key if request.query.format is Format.WAV else mp3_key(recording.object_key)
        return await self._links.link(key, request.now, self._policy.link_lifetime)

    async def _delete(self, request: Request, recording: StoredRecording) -> Answer:
        await self._service.delete(request.connection, recording.id)

        async def purge() -> None:
            await self._retention.purge(recording.id)

        request.after_commit.append(purge)
        return Answer(status=204)


async def _call_of(connection: Connection, request: Request) -> UUID:
    """The call the path names, by id or session id, where this key may see it."""
    given = request.path["call_id"]
    principal = request.principal
    found = await repository.find_call(
        connection, principal.workspace_id, principal.mode, call_id=_uuid(given), session_id=given
    )
    if found is None or not principal.may_use_number(found[1]):
        raise CallNotFound
    return found[0]


async def _recording_of(request: Request) -> StoredRecording:
    """The recording the path names, where this key may see it."""
    recording_id = _uuid(request.path["recording_id"])
    recording = await repository.find(request.connection, recording_id) if recording_id else None
    principal = request.principal
    if (
        recording is None
        or (recording.workspace_id, recording.mode) != (principal.workspace_id, principal.mode)
        or not principal.may_use_number(recording.number_id)
    ):
        raise RecordingNotFound
    return recording


async def _command(request: Request, command: Command) -> Answer:
    recording = await _recording_of(request)
    if recording.status is not RecordingStatus.RECORDING:
        raise RecordingNotRunning(status=recording.status)
    await repository.insert_command(
        request.connection,
        call_id=recording.call_id,
        recording_id=recording.id,
        command=command,
        now=request.now,
    )
    return Answer(status=202, body=CommandAnswer(recording.id, command))


def _to_wait(recording: StoredRecording) -> Pending | None:
    """None when it can be downloaded. Raises `RecordingExpired` or `RecordingFailed` when it never will be."""
    if recording.status in GONE:
        raise RecordingExpired
    if recording.status is RecordingStatus.FAILED:
        raise RecordingFailed(reason=recording.error)
    if recording.status is RecordingStatus.RECORDING:
        return Pending(retry_after_seconds=5)
    if recording.status is RecordingStatus.PROCESSING:
        return Pending(retry_after_seconds=1)
    return None


def _wants_json(accept: str) -> bool:
    """Whether every media type of an Accept header is JSON."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return kinds == {"application/json"}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
