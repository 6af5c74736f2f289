"""What the address of transcriptions refuses."""

from sautikitd.errors import Refusal


class TranscriptionNotFound(Refusal):
    code = "recordings.transcription_not_found"
    status = 404
    message = (
        "This recording has no transcription. One is made when the verb `record` has `transcribe: true`."
    )
