"""What a flow may ask of streams: the audio of a call over a WebSocket, both ways (contract §5, `stream`)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec


class StreamProtocol(StrEnum):
    """How audio and messages are written on the socket."""

    DRACHTIO = "drachtio"
    """Raw signed 16-bit little-endian samples in binary frames, JSON in text frames."""
    TWILIO = "twilio"
    """The messages of Twilio's Media Streams: JSON, µ-law in base64."""


class StreamTrack(StrEnum):
    """Which side of the call is sent: what the far end says, what it is told, or both."""

    INBOUND = "inbound_track"
    OUTBOUND = "outbound_track"
    BOTH = "both_tracks"


class StreamEvent(StrEnum):
    """What a status callback is told."""

    STARTED = "stream-started"
    STOPPED = "stream-stopped"
    ERROR = "stream-error"


class StreamEnd(StrEnum):
    CLOSED = "closed"  # the server closed the socket
    STOPPED = "stopped"  # by the flow, or because the call ended
    FAILED = "failed"  # it could not be opened, or it broke


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stream. URLs are absolute. Rates in Hz, 8,000 or 16,000: what is sent to the socket, and what comes
    from it. `plays`: audio from the socket is heard by the far end."""

    url: str
    protocol: StreamProtocol = StreamProtocol.DRACHTIO
    track: StreamTrack = StreamTrack.INBOUND
    plays: bool = True
    sent_rate: int = 8000
    played_rate: int = 8000
    name: str = ""
    headers: Mapping[str, str] = {}
    metadata: Mapping[str, object] = {}
    status_callback: str | None = None
    status_events: frozenset[StreamEvent] = frozenset(StreamEvent)


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stream. `warnings` are for the flow's story."""

    stream_id: str
    end: StreamEnd
    error: str = ""
    duration_s: int = 0
    warnings: tuple[str, ...] = ()


class Streamer(Protocol):
    """The streams of one call."""

    async def connect(self, spec: StreamSpec) -> Streamed:
        """Opens a stream and returns when it is over. Cancelling it closes the socket. Raises `LegGone`."""
        ...

    async def begin(self, spec: StreamSpec) -> str | None:
        """Starts a stream that runs beside the flow until it is stopped or the call ends; why not, or None."""
        ...

    async def stop(self, name: str) -> int:
        """Stops the streams of that name that run beside the flow, or all of them for an empty one; how many."""
        ...


class NoStreams:
    """Where nothing can be streamed: every stream fails."""

    async def connect(self, spec: StreamSpec) -> Streamed:
        return Streamed(stream_id="", end=StreamEnd.FAILED, error="streams are not available here")

    async def begin(self, spec: StreamSpec) -> str | None:
        return "streams are not available here"

    async def stop(self, name: str) -> int:
        return 0
