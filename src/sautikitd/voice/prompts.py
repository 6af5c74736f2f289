"""From what a flow wants heard to what the media plane can play."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from sautikitd.flow.port import Audio, Digits, Prompt, Say, Silence, Tone
from sautikitd.voice.media import protocol

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets a sound file by URL, guarded and bounded; raises `PromptUnavailable`."""


Warn = Callable[[str], None]
"""Hears what the developer of a flow should know about a prompt that was played all the same."""


def _unheard(warning: str) -> None:
    """For a call without a story."""


class Speaker(Protocol):
    async def render(self, say: Say, warn: Warn) -> Path:
        """Speech as a file of raw 16-bit samples at 8 kHz. Raises `PromptUnavailable`."""
        ...


class Decoder(Protocol):
    async def decode(self, content: bytes) -> Path:
        """A WAV, MP3 or OGG file as raw 16-bit samples at 8 kHz. Raises `PromptUnavailable`."""
        ...


class PromptRenderer:
    """Belongs to one call, whose mode decides what may be fetched."""

    def __init__(self, speaker: Speaker, decoder: Decoder, fetch: Fetch, warn: Warn = _unheard) -> None:
        self._speaker = speaker
        self._decoder = decoder
        self._fetch = fetch
        self._warn = warn

    async def segments(self, prompts: Sequence[Prompt]) -> list[protocol.Segment]:
        """Everything rendered before anything is played, so that no gap falls between two prompts."""
        return [await self._segment(prompt) for prompt in prompts]

    async def _segment(self, prompt: Prompt) -> protocol.Segment:
        match prompt:
            case Say():
                return protocol.PcmFile(path=str(await self._speaker.render(prompt, self._warn)))
            case Audio():
                return protocol.PcmFile(path=str(await self._decoder.decode(await self._fetch(prompt.url))))
            case Tone():
                return protocol.Tone(
                    frequencies=prompt.frequencies,
                    duration_ms=prompt.duration_ms,
                    on_ms=prompt.on_ms,
                    off_ms=prompt.off_ms,
                )
            case Digits():
                return protocol.Dtmf(digits=prompt.digits)
            case Silence():
                return protocol.Silence(duration_ms=prompt.duration_ms)
