"""What an engine of speech is: one method, whatever stands behind it."""

from typing import Protocol

import msgspec

from sautikitd.flow.port import PromptUnavailable


class Unspeakable(PromptUnavailable):
    """This engine has no voice for it; there is nothing wrong with the engine."""


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be spoken, its figures in words already. `markup` is the same as SSML of our subset, where the
    author wrote some; `voice` is `woman`, `man`, `alice` or the engine's own name for one; `rate` 0.5 to 2.0."""

    text: str
    markup: str | None
    voice: str
    language: str
    rate: float


class Engine(Protocol):
    @property
    def name(self) -> str:
        """As it stands before the colon of a voice: `piper:amani`."""
        ...

    async def speak(self, utterance: Utterance) -> bytes:
        """Signed 16-bit mono samples at 8 kHz. Raises `PromptUnavailable`, in bounded time."""
        ...

    async def close(self) -> None: ...
