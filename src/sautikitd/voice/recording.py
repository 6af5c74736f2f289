"""The recordings of one leg: those that a flow waits for, and those that run beside it."""

import asyncio
from typing import Any
from uuid import UUID

from sautikitd.flow.port import Recorded, RecordEnd, RecordingTold, RecordSpec, TranscriptionWish
from sautikitd.voice.media import protocol
from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.recording_book import RecordingBook, RecordingPlace

_ENDS = {
    protocol.RecordingEnd.SILENCE: RecordEnd.SILENCE,
    protocol.RecordingEnd.MAX_LENGTH: RecordEnd.MAX_LENGTH,
}


class LegRecordings:
    def __init__(self, call_id: UUID, leg_id: str, media: MediaClient, book: RecordingBook) -> None:
        self._call_id = call_id
        self._leg_id = leg_id
        self._media = media
        self._book = book
        self.newest: UUID | None = None
        self._open: dict[str, RecordingPlace] = {}
        self._ended: dict[str, asyncio.Future[protocol.RecordingEnded]] = {}
        self._keys: dict[
            str, tuple[str, asyncio.Future[str]]
        ] = {}  # finish keys of the recordings that have some

    async def start(
        self,
        *,
        channels: int,
        max_length_s: int,
        recording_id: UUID | None = None,
        told: RecordingTold | None = None,
    ) -> UUID:
        """Records both sides beside whatever else goes on: mixed into one channel, or theirs left and ours right."""
        place = await self._begin(channels, recording_id, told=told)
        try:
            await self._media.start_recording(
                self._leg_id,
                str(place.recording_id),
                place.path,
                channels=channels,
                max_ms=max_length_s * 1000,
                include_sent=True,
            )
        except (MediaRefused, MediaLost):
            self._never_begun(place)
            raise
        return place.recording_id

    async def record(self, spec: RecordSpec) -> Recorded:
        """Records the far end until silence, a key or the length ends it."""
        place = await self._begin(1, transcription=spec.transcription, told=spec.told)
        name = str(place.recording_id)
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[protocol.RecordingEnded] = loop.create_future()
        key: asyncio.Future[str] = loop.create_future()
        self._ended[name], self._keys[name] = ended, (spec.finish_on_key, key)
        try:
            await self._media.start_recording(
                self._leg_id,
                name,
                place.path,
                max_ms=spec.max_length_s * 1000,
                silence_ms=spec.silence_timeout_s * 1000 or None,
                trim_silence=spec.trim_silence,
            )
            either: set[asyncio.Future[Any]] = {ended, key}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._media.stop_recording(name)
            end = await ended
        except asyncio.CancelledError:
            if name in self._open:
                await asyncio.gather(self._media.stop_recording(name), return_exceptions=True)
            raise
        except (MediaRefused, MediaLost):
            self._never_begun(place)
            raise
        finally:
            self._keys.pop(name, None)
            self._ended.pop(name, None)
        digit = key.result() if key.done() else ""
        reason = RecordEnd.KEY if digit else _ENDS.get(end.reason, RecordEnd.STOPPED)
        return Recorded(recording_id=place.recording_id, duration_ms=end.duration_ms, end=reason, digit=digit)

    async def pause(self, recording_id: str) -> None:
        await self._media.pause_recording(recording_id)

    async def resume(self, recording_id: str) -> None:
        await self._media.resume_recording(recording_id)

    async def stop(self, recording_id: str) -> None:
        await self._media.stop_recording(recording_id)

    def on_digit(self, digit: str) -> None:
        for keys, pressed in self._keys.values():
            if digit in keys and not pressed.done():
                pressed.set_result(digit)

    def on_ended(self, event: protocol.RecordingEnded) -> None:
        place = self._open.pop(event.recording_id, None)
        if place is None:
            return
        failed = "the recording could not be written" if event.reason is protocol.RecordingEnd.ERROR else None
        self._book.finished(self._call_id, place, event.duration_ms, failed)
        waiting = self._ended.get(event.recording_id)
        if waiting and not waiting.done():
            waiting.set_result(event)

    def lost(self) -> None:
        """The media process died: what it wrote so far is in the files."""
        for place in self._open.values():
            self._book.finished(self._call_id, place, 0, None)
        self._open.clear()

    def _never_begun(self, place: RecordingPlace) -> None:
        if self._open.pop(str(place.recording_id), None):
            self._book.finished(self._call_id, place, 0, "the recording was not begun")

    async def _begin(
        self,
        channels: int,
        recording_id: UUID | None = None,
        transcription: TranscriptionWish | None = None,
        told: RecordingTold | None = None,
    ) -> RecordingPlace:
        place = await self._book.begin(self._call_id, channels, recording_id, transcription, told)
        self._open[str(place.recording_id)] = place
        self._book.started(place, self)
        self.newest = place.recording_id
        return place
