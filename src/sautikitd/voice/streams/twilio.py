"""The messages of Twilio's Media Streams (twilio.com/docs/voice/media-streams/websocket-messages).

All are JSON in text frames; audio is µ-law at 8 kHz in base64. `sequenceNumber` counts the messages from `start` on,
`chunk` those of a track; where a slow server misses frames, both show the gap. `timestamp` is in milliseconds from
the beginning of the stream.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import numpy as np

from sautikitd.voice.media import g711
from sautikitd.voice.media.forks.link import LONGEST_MARK, Frame
from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Codec
from sautikitd.voice.media.sounding.playout import samples_of
from sautikitd.voice.streams.dialect import Clear, Mark, Message, NotUnderstood, Opening, Play, Wish

_FRAME_MS = FRAME_SAMPLES * 1000 // SAMPLE_RATE


def stream_sid_of(stream_id: str) -> str:
    """`MZ` and the 32 hex digits of our id."""
    return f"MZ{UUID(stream_id).hex}"


class Twilio:
    subprotocol: str | None = None

    def __init__(self, opening: Opening, *, plays: bool) -> None:
        self._opening = opening
        self._plays = plays
        self._sid = stream_sid_of(opening.stream_id)
        self._sequence = 0
        self._chunks = {"inbound": 0, "outbound": 0}
        self._frames = 0

    def opening(self) -> Sequence[Message]:
        tracks = {"inbound_track": ["inbound"], "outbound_track": ["outbound"]}
        start = {
            "accountSid": f"AC{UUID(self._opening.workspace_id).hex}",
            "streamSid": self._sid,
            "callSid": self._call_sid,
            "tracks": tracks.get(self._opening.track, ["inbound", "outbound"]),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": SAMPLE_RATE, "channels": 1},
            "customParameters": {
                name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
                for name, value in self._opening.metadata.items()
            },
        }
        connected = msgspec.json.encode({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        return [connected.decode(), self._message("start", start)]

    def frame(self, frame: Frame) -> Sequence[Message]:
        timestamp = str(self._frames * _FRAME_MS)
        self._frames += 1
        sides = (("inbound", frame.heard), ("outbound", frame.said))
        return [self._media(track, audio, timestamp) for track, audio in sides if audio]

    def digit(self, digit: str) -> Sequence[Message]:
        return [self._message("dtmf", {"track": "inbound_track", "digit": digit})]

    def played(self, mark: str, *, cleared: bool) -> Sequence[Message]:
        """A cleared mark comes back like one that was played."""
        return [self._message("mark", {"name": mark})]

    def closing(self) -> Sequence[Message]:
        return [
            self._message(
                "stop",
                {"accountSid": f"AC{UUID(self._opening.workspace_id).hex}", "callSid": self._call_sid},
            )
        ]

    def understand(self, message: Message) -> Sequence[Wish]:
        if isinstance(message, bytes):
            raise NotUnderstood("a binary message; audio is base64 in a media message")
        try:
            said = msgspec.json.decode(message, type=_Said)
        except (msgspec.DecodeError, RecursionError) as error:
            raise NotUnderstood(str(error)) from error
        if said.stream_sid not in ("", self._sid):
            raise NotUnderstood("the streamSid is of another stream")
        if not self._plays:
            raise NotUnderstood(f"{said.event[:40]!r}: this stream only listens")
        match said.event:
            case "media":
                return [Play(_audio_of(said.media))]
            case "mark":
                return [Mark(_name_of(said.mark))]
            case "clear":
                return [Clear()]
        raise NotUnderstood(f"unknown event {said.event[:40]!r}")

    @property
    def _call_sid(self) -> str:
        return f"CA{UUID(self._opening.call_id).hex}"

    def _media(self, track: str, audio: bytes, timestamp: str) -> str:
        self._chunks[track] += 1
        codes = g711.encode(samples_of(audio), Codec.PCMU)
        media = {
            "track": track,
            "chunk": str(self._chunks[track]),
            "timestamp": timestamp,
            "payload": base64.b64encode(codes.tobytes()).decode(),
        }
        return self._message("media", media)

    def _message(self, event: str, content: dict[str, Any]) -> str:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: content,
            "streamSid": self._sid,
        }
        return msgspec.json.encode(message).decode()


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class _Said(msgspec.Struct):
    event: str
    stream_sid: str = msgspec.field(name="streamSid", default="")
    media: _Media | None = None
    mark: _Mark | None = None


def _audio_of(media: _Media | None) -> bytes:
    if media is None:
        raise NotUnderstood("a media message without media.payload")
    try:
        codes = np.frombuffer(base64.b64decode(media.payload, validate=True), np.uint8)
    except (ValueError, binascii.Error) as error:
        raise NotUnderstood(f"media.payload: {error}") from error
    return g711.decode(codes, Codec.PCMU).astype("<i2").tobytes()


def _name_of(mark: _Mark | None) -> str:
    if mark is None or len(mark.name.encode()) > LONGEST_MARK:
        raise NotUnderstood("a mark needs a name of at most a kilobyte")
    return mark.name
