"""A room on its media process: seats, what is said to everybody, and its recording."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from uuid import UUID

from sautikitd.flow.port import RecordingTold
from sautikitd.voice.media import protocol
from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.recording import LegRecordings
from sautikitd.voice.recording_book import RecordingBook

ENTERED = (
    protocol.Tone(frequencies=(620.0,), duration_ms=110),
    protocol.Tone(frequencies=(830.0,), duration_ms=160),
)
LEFT = (
    protocol.Tone(frequencies=(830.0,), duration_ms=110),
    protocol.Tone(frequencies=(620.0,), duration_ms=160),
)
"""What a room hears when somebody comes or goes."""


class MediaRoom:
    """Every method raises `MediaLost` when the media process has gone. Seats are named by their legs' media ids.

    `on_recorded` is told of every recording that has ended, by whomever; it must neither block nor raise.
    """

    def __init__(
        self,
        room_id: UUID,
        media: MediaClient,
        book: RecordingBook,
        on_recorded: Callable[[UUID], None] = lambda _: None,
    ) -> None:
        self.media = media
        self._on_recorded = on_recorded
        self.name = f"room-{room_id}"
        self._booth = f"booth-{room_id}"
        self._recordings = LegRecordings(room_id, self._booth, media, book)
        self._plays = 0

    async def open(self) -> None:
        await self.media.open_booth(self._booth, self.name, self._on_event)

    async def seat(self, media_id: str, *, muted: bool, deaf: bool, heard_by: Collection[str] | None) -> None:
        """Gives the end of a link its seat, or changes it; a leg of this process joins by itself, to `name`.

        Raises `MediaRefused` when it is gone.
        """
        await self.media.join(self.name, media_id, muted=muted, deaf=deaf, heard_by=heard_by)

    async def announce(self, segments: Sequence[protocol.Segment], loop: int = 1) -> None:
        """Starts telling everybody; what is told already goes on. Raises `MediaRefused`."""
        self._plays += 1
        await self.media.announce(self._booth, str(self._plays), segments, loop)

    async def hush(self) -> None:
        await self.media.hush(self._booth)

    async def record(self, max_length_s: int, told: RecordingTold | None = None) -> UUID:
        """Records everybody together into one channel. Raises `MediaRefused`."""
        return await self._recordings.start(channels=1, max_length_s=max_length_s, told=told)

    async def stop_recording(self, recording_id: UUID) -> None:
        with suppress(MediaRefused):  # it ended by itself
            await self._recordings.stop(str(recording_id))

    async def close(self) -> None:
        """Ends what is said and recorded in it; whoever still sits there goes on without it."""
        try:
            with suppress(MediaRefused):
                await self.media.close_booth(self._booth)
        except MediaLost:
            self._recordings.lost()

    def _on_event(self, event: protocol.Event) -> None:
        if isinstance(event, protocol.RecordingEnded):
            self._recordings.on_ended(event)
            self._on_recorded(UUID(event.recording_id))
