"""The address of transcriptions."""

from typing import Any
from uuid import UUID

import msgspec

from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity.principal import Scope
from sautikitd.recordings.errors import RecordingExpired
from sautikitd.recordings.models import GONE
from sautikitd.transcription import repository
from sautikitd.transcription.errors import TranscriptionNotFound
from sautikitd.transcription.models import Transcription, shown_as


class TranscriptionAnswer(msgspec.Struct):
    """The transcription of one recording."""

    transcription: Transcription


class TranscriptionRoutes:
    tag = "Recordings"

    @endpoint(
        "GET",
        "/v1/recordings/{recording_id}/transcription",
        scope=Scope.RECORDINGS_READ,
        answers={200: TranscriptionAnswer},
        errors=(TranscriptionNotFound, RecordingExpired),
    )
    async def transcription(self, request: ApiRequest[Any, Any]) -> Answer:
        """Read what was said in a recording.

        There is one where the verb `record` asked for it with `transcribe`. While `status` is `pending` there is no
        text yet; the events `recording.transcribed` and `recording.transcription_failed` say when to look. The text
        goes with its recording: 410 once that is deleted or its retention is over.
        """
        try:
            recording_id = UUID(request.path["recording_id"])
        except ValueError:
            raise TranscriptionNotFound from None
        stored = await repository.find(request.connection, recording_id)
        principal = request.principal
        if (
            stored is None
            or (stored.workspace_id, stored.mode) != (principal.workspace_id, principal.mode)
            or not principal.may_use_number(stored.number_id)
        ):
            raise TranscriptionNotFound
        if stored.recording_status in GONE:
            raise RecordingExpired
        return Answer(body=TranscriptionAnswer(shown_as(stored)))
