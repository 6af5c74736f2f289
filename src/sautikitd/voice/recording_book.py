"""Where recordings are entered: the engine writes the file, somebody else keeps the books."""

from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from sautikitd.flow.port import RecordingTold, TranscriptionWish


class RecordingPlace(msgspec.Struct, frozen=True):
    """A recording that has been entered, and the file to write it to."""

    recording_id: UUID
    path: Path


class RunningRecordings(Protocol):
    """Whoever writes a recording, by its id. Every method raises `MediaRefused` when it is not written any more,
    and `MediaLost`."""

    async def pause(self, recording_id: str) -> None: ...

    async def resume(self, recording_id: str) -> None: ...

    async def stop(self, recording_id: str) -> None: ...


class RecordingBook(Protocol):
    async def begin(
        self,
        call_id: UUID,
        channels: int,
        recording_id: UUID | None = None,
        transcription: TranscriptionWish | None = None,
        told: RecordingTold | None = None,
    ) -> RecordingPlace:
        """Enters a recording that is about to start, under `recording_id` where it has been given one already."""
        ...

    def started(self, place: RecordingPlace, writer: RunningRecordings) -> None:
        """The file is being written: `writer` takes orders about it until it is `finished`."""
        ...

    def finished(self, call_id: UUID, place: RecordingPlace, duration_ms: int, failed: str | None) -> None:
        """The file is complete, or the recording `failed`. Must neither block nor raise."""
        ...
