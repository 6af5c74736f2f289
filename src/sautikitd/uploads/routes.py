"""The addresses of uploaded sound files (contract §4.4)."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.principal import Scope
from sautikitd.recordings.errors import StorageUnavailable
from sautikitd.uploads import repository
from sautikitd.uploads.errors import (
    TooManyUploads,
    UploadFormInvalid,
    UploadMediaTypeUnsupported,
    UploadNotFound,
    UploadUnreadable,
)
from sautikitd.uploads.form import LONGEST_NAME, SentFile, sent_file
from sautikitd.uploads.models import AudioUpload, StoredUpload, shown_as
from sautikitd.uploads.service import AudioUploads
from sautikitd.voice.speech.sounds import MAX_FILE_BYTES

_FORM_ROOM = 16 * 1024  # what a form may add to its file


class UploadQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How a file is to be called where the request does not say; in a form its own file name goes before it."""

    name: (
        Annotated[
            str, msgspec.Meta(max_length=LONGEST_NAME, description="What to call it, for your own use.")
        ]
        | None
    ) = None


class UploadAnswer(msgspec.Struct):
    upload: AudioUpload


Request = ApiRequest[Any, Any]


class UploadRoutes:
    tag = "Uploads"

    def __init__(self, uploads: AudioUploads) -> None:
        self._uploads = uploads

    @endpoint(
        "POST",
        "/v1/uploads/audio",
        scope=Scope.CALLS_WRITE,
        query=UploadQuery,
        takes_files=("audio/wav", "audio/mpeg", "audio/ogg", "application/octet-stream"),
        answers={201: UploadAnswer},
        errors=(
            *(UploadFormInvalid, UploadMediaTypeUnsupported, UploadUnreadable),
            *(TooManyUploads, StorageUnavailable),
        ),
        body_limit=MAX_FILE_BYTES + _FORM_ROOM,
        timeout_seconds=60,
    )
    async def upload(self, request: Request) -> Answer:
        """Upload a sound file.

        WAV, MP3 or OGG, at most 20 MB and 30 minutes, as the body itself or as the part `file` of a form. It is
        decoded once to see that it can be played. `url` of the answer is for `play`, in every call of this workspace
        and mode, test or live: the file is read from the platform's own store.
        """
        file = sent_file(request.raw, request.headers.get("content-type", ""), MAX_FILE_BYTES + _FORM_ROOM)
        if not file.name and request.query.name:
            file = SentFile(file.data, request.query.name)
        principal = request.principal
        upload = await self._uploads.take(
            request.connection, principal.workspace_id, principal.mode, file, request.now
        )
        headers = {"Location": f"/v1/uploads/audio/{upload.id}"}
        return Answer(status=201, body=UploadAnswer(shown_as(upload)), headers=headers)

    @endpoint(
        "GET",
        "/v1/uploads/audio",
        scope=Scope.CALLS_READ,
        query=PageQuery,
        answers={200: Page[AudioUpload]},
    )
    async def list_uploads(self, request: Request) -> Answer:
        """List uploaded sound files, newest first."""
        limit, principal = request.query.limit, request.principal
        rows = await repository.newest(
            request.connection,
            principal.workspace_id,
            principal.mode,
            limit=limit,
            before=decode_cursor(request.query.cursor),
        )
        return Answer(body=page(rows, limit, shown_as, lambda row: row.id))

    @endpoint(
        "GET",
        "/v1/uploads/audio/{upload_id}",
        scope=Scope.CALLS_READ,
        answers={200: UploadAnswer},
        errors=(UploadNotFound,),
    )
    async def read_upload(self, request: Request) -> Answer:
        """Read what is known of an uploaded sound file."""
        return Answer(body=UploadAnswer(shown_as(await _upload_of(request))))

    @endpoint(
        "DELETE",
        "/v1/uploads/audio/{upload_id}",
        scope=Scope.CALLS_WRITE,
        answers={204: None},
        errors=(UploadNotFound,),
    )
    async def delete_upload(self, request: Request) -> Answer:
        """Delete an uploaded sound file.

        A flow that still plays it gets a `flow.warning` and goes on without it.
        """
        upload, principal = await _upload_of(request), request.principal
        await self._uploads.delete(
            request.connection, upload.id, principal.workspace_id, principal.mode, request.now
        )
        request.after_commit.append(self._uploads.purge)
        return Answer(status=204)


async def _upload_of(request: Request) -> StoredUpload:
    principal = request.principal
    try:
        upload_id = UUID(request.path["upload_id"])
    except ValueError:
        raise UploadNotFound from None
    found = await repository.find(request.connection, upload_id, principal.workspace_id, principal.mode)
    if found is None:
        raise UploadNotFound
    return found
