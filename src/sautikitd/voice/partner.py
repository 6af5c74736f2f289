"""Whom a party talks with, as far as its leg has to do with him."""

from typing import Protocol

from sautikitd.voice.media.protocol import Tone

WARNING = Tone(frequencies=(480.0, 620.0), duration_ms=400)
"""The call is about to end for want of money."""


class Partner(Protocol):
    """The leg of the other party, or what stands for him on this node."""

    @property
    def in_band(self) -> bool:
        """Whether he knows keys as tones only: then another such party's tone itself goes through."""
        ...

    @property
    def ended(self) -> bool: ...

    async def press(self, digit: str) -> None:
        """Sends a key on to him; he may be on his way out."""
        ...

    async def warn(self) -> None:
        """Lets him hear the `WARNING`."""
        ...
