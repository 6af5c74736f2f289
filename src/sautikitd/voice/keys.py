"""Where the keys of a party go while he talks with another."""

from typing import Protocol


class KeyTaker(Protocol):
    """The other party, or what stands for him on this node."""

    @property
    def in_band(self) -> bool:
        """Whether he knows keys as tones only: then another such party's tone itself goes through."""
        ...

    async def press(self, digit: str) -> None:
        """Sends a key on to him; he may be on his way out."""
        ...
