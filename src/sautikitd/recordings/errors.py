"""What the recordings' addresses refuse."""

from sautikitd.errors import Refusal


class RecordingNotFound(Refusal):
    code = "calls.recording_not_found"
    status = 404
    message = (
        "There is no such recording. A call is recorded when it was placed with `record` or its flow says so."
    )


class RecordingExpired(Refusal):
    code = "calls.recording_expired"
    status = 410
    message = "This recording is gone: its retention is over, or it was deleted."


class RecordingFailed(Refusal):
    code = "calls.recording_failed"
    status = 404
    message = "This recording could not be kept ({reason}); there is nothing to download."


class RecordingUnfinished(Refusal):
    code = "calls.recording_unfinished"
    status = 409
    message = (
        "This recording is still being written. Stop it, or wait until the call has ended, then delete it."
    )


class RecordingNotRunning(Refusal):
    code = "calls.recording_not_running"
    status = 409
    message = "Only a running recording can be paused, resumed or stopped; this one is {status}."


class LinkInvalid(Refusal):
    code = "recordings.link_invalid"
    status = 403
    message = "This download link is not one of ours, or was cut or changed on its way. Ask for a new one."


class LinkExpired(Refusal):
    code = "recordings.link_expired"
    status = 403
    message = "This download link is no longer good. Ask for a new one at the recording's address."


class StorageUnavailable(Refusal):
    code = "recordings.storage_unavailable"
    status = 503
    message = (
        "The store of recordings cannot be reached right now. The recording is safe; try again in a moment."
    )

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class RangeNotSatisfiable(Refusal):
    code = "recordings.range_not_satisfiable"
    status = 416
    message = "The range lies beyond the end of the file, which has {size} bytes."

    def __init__(self, size: int) -> None:
        super().__init__(size=size, headers={"Content-Range": f"bytes */{size}"})
