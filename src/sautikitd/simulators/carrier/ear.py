"""Hearing: when the far end speaks and falls silent, how long it made a sound, and a file of it all where wanted.

The media plane tells silence only of what it records. So the ear records the far end, with the silence at both ends
cut off, into files that are thrown away: one ends with each pause, and is as long as what was heard before it.
"""

import asyncio
from pathlib import Path
from uuid import UUID

from sautikitd.flow.port import RecordEnd, RecordingTold, RecordSpec, TranscriptionWish
from sautikitd.ids import uuid7
from sautikitd.simulators.carrier.journal import Entry
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.recording_book import RecordingPlace, RunningRecordings

_EAR, _RECORD = 1, 2  # channels: what is heard, or heard and said
_PIECE = RecordSpec(max_length_s=60, silence_timeout_s=1, finish_on_key="", beep=False, trim_silence=True)


class CarrierBook:
    """The recording book of the carrier's engine. `record_to` None keeps nothing."""

    def __init__(self, scratch: Path, record_to: Path | None) -> None:
        self._scratch = scratch
        self._record_to = record_to
        self._names: dict[UUID, str] = {}

    def expect(self, call_id: UUID, sip_call_id: str) -> Path | None:
        """The file that the recording of a call will be in, named by its SIP Call-ID; None where none is kept."""
        if self._record_to is None:
            return None
        self._names[call_id] = file_name(sip_call_id)
        return self._record_to / self._names[call_id]

    def forget(self, call_id: UUID) -> None:
        """The call is over."""
        self._names.pop(call_id, None)

    async def begin(
        self,
        call_id: UUID,
        channels: int,
        recording_id: UUID | None = None,
        transcription: TranscriptionWish | None = None,
        told: RecordingTold | None = None,
    ) -> RecordingPlace:
        """Enters nothing: the carrier keeps no books, and transcribes nothing."""
        recording_id = recording_id or uuid7()
        if channels == _RECORD and self._record_to is not None:
            return RecordingPlace(recording_id, self._record_to / self._names[call_id])
        return RecordingPlace(recording_id, self._scratch / f"{recording_id}.wav")

    def started(self, place: RecordingPlace, writer: RunningRecordings) -> None:
        """Nobody gives orders here."""

    def finished(self, call_id: UUID, place: RecordingPlace, duration_ms: int, failed: str | None) -> None:
        if place.path.parent == self._scratch:
            place.path.unlink(missing_ok=True)


def file_name(sip_call_id: str) -> str:
    """A Call-ID comes from the wire, so only what is harmless in a file name is left of it."""
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "-_@") else "_" for c in sip_call_id[:120]) + ".wav"
    )


class Ear:
    """Listens to one answered leg. `listen` runs until the leg has ended."""

    def __init__(self, leg: MediaLeg, entry: Entry) -> None:
        self._leg = leg
        self._entry = entry
        self._fell_silent = asyncio.Event()

    async def prompt_over(self) -> None:
        """Waits until the far end has made a sound and then none for a second."""
        await self._fell_silent.wait()

    async def listen(self) -> None:
        try:
            while not self._leg.ended:
                piece = await self._leg.recordings.record(_PIECE)
                self._entry.heard_ms += piece.duration_ms
                if piece.end is RecordEnd.STOPPED:
                    return  # the leg ended, or the file could not be written
                if piece.duration_ms and piece.end is RecordEnd.SILENCE:
                    self._fell_silent.set()
        except (MediaLost, MediaRefused):
            return  # the leg ended between two pieces

    async def keep(self) -> None:
        """Starts the recording of the whole call."""
        try:
            await self._leg.recordings.start(channels=_RECORD, max_length_s=3600)
        except (MediaLost, MediaRefused) as error:
            if not self._leg.ended:
                raise RuntimeError(f"the call cannot be recorded: {error}") from error
