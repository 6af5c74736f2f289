"""What an engine of transcription is: a recording in, its words out."""

from pathlib import Path
from typing import Protocol

import msgspec


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """`language` as the engine names what it heard (`sw`), where it says."""

    text: str
    language: str | None = None


class TranscriptionFailed(Exception):
    """No words came of it; the message says why, for a developer. `final`: another try would end the same way."""

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


class Transcriber(Protocol):
    @property
    def name(self) -> str: ...

    async def transcribe(self, wav: Path, language: str | None) -> Transcript:
        """The words of a WAV file (mono, 8 kHz). `language` is BCP 47; None: the engine finds out.

        Raises `TranscriptionFailed`, in no more than ten minutes.
        """
        ...
