"""What a stream protocol has to say and to understand; its messages are text or binary WebSocket frames."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from sautikitd.voice.media.forks.link import Frame

Message = str | bytes


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a server is told of the stream at its beginning. `metadata` is the customer's own."""

    stream_id: str
    call_id: str
    session_id: str
    workspace_id: str
    from_: str
    to: str
    direction: str
    name: str = ""
    track: str = "inbound_track"
    metadata: dict[str, object] = {}


class Play(msgspec.Struct, frozen=True):
    """Audio for the far end: signed 16-bit little-endian samples at 8 kHz."""

    audio: bytes


class Mark(msgspec.Struct, frozen=True):
    """Tell when the audio before it has been played."""

    name: str


class Clear(msgspec.Struct, frozen=True):
    """Forget the audio that has not been played."""


class Leave(msgspec.Struct, frozen=True):
    """End the stream, as if the socket had been closed."""


Wish = Play | Mark | Clear | Leave
"""What a server wants."""


class NotUnderstood(ValueError):
    """A message that the protocol does not know, or that is malformed; it is passed over."""


class Dialect(Protocol):
    """One stream's: it keeps sequence numbers and the state of resampling."""

    subprotocol: str | None

    def opening(self) -> Sequence[Message]: ...

    def frame(self, frame: Frame) -> Sequence[Message]:
        """20 ms of the call, of the tracks that were asked for."""
        ...

    def digit(self, digit: str) -> Sequence[Message]: ...

    def played(self, mark: str, *, cleared: bool) -> Sequence[Message]: ...

    def closing(self) -> Sequence[Message]:
        """Said before we close the socket."""
        ...

    def understand(self, message: Message) -> Sequence[Wish]:
        """Raises `NotUnderstood`."""
        ...
