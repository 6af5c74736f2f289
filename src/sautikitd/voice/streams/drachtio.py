"""The protocol of drachtio's mod_audio_fork (and of jambonz's `listen`), under its subprotocol audio.drachtio.org.

Binary frames are signed 16-bit little-endian mono samples both ways; text frames are JSON. The first frame we send
is text and describes the call; of two tracks the sum is sent. From the server: binary audio, `killAudio`,
`playAudio`, `mark`, `clearMarks`, `disconnect`.
"""

import base64
import binascii
import io
import wave
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from sautikitd.voice.media.forks.link import LONGEST_MARK, Frame
from sautikitd.voice.media.g711 import SAMPLE_RATE, Pcm
from sautikitd.voice.media.sounding.playout import samples_of
from sautikitd.voice.streams.dialect import Clear, Leave, Mark, Message, NotUnderstood, Opening, Play, Wish
from sautikitd.voice.streams.resampling import resampler

SUBPROTOCOL = "audio.drachtio.org"

_PASSED_OVER = frozenset({"transcription", "transfer", "error", "json"})
"""Known to mod_audio_fork as events for an application beside it; here the flow goes on without them."""


class Drachtio:
    subprotocol: str | None = SUBPROTOCOL

    def __init__(self, opening: Opening, *, sent_rate: int, played_rate: int) -> None:
        self._opening = opening
        self._sent_rate = sent_rate
        self._played_rate = played_rate
        self._sent = resampler(SAMPLE_RATE, sent_rate)
        self._played = resampler(played_rate, SAMPLE_RATE)
        self._half_sample = b""

    def opening(self) -> Sequence[Message]:
        """The call's facts, with the customer's metadata beside them and, as mod_audio_fork has it, among them."""
        facts = {
            "event": "start",
            "streamSid": self._opening.stream_id,
            "callId": self._opening.call_id,
            "sessionId": self._opening.session_id,
            "name": self._opening.name,
            "direction": self._opening.direction,
            "from": self._opening.from_,
            "to": self._opening.to,
            "track": self._opening.track,
            "sampleRate": self._sent_rate,
            "bidirectionalSampleRate": self._played_rate,
            "channels": 1,
            "encoding": "audio/l16;endian=little",
            "metadata": self._opening.metadata,
        }
        return [_text({**self._opening.metadata, **facts})]

    def frame(self, frame: Frame) -> Sequence[Message]:
        if frame.heard and frame.said:
            both = samples_of(frame.heard).astype(np.int32) + samples_of(frame.said)
            samples: Pcm = np.clip(both, -32768, 32767).astype(np.int16)
        else:
            samples = samples_of(frame.heard or frame.said)
        return [self._sent.convert(samples).astype("<i2").tobytes()]

    def digit(self, digit: str) -> Sequence[Message]:
        return [_text({"event": "dtmf", "type": "dtmf", "dtmf": digit})]

    def played(self, mark: str, *, cleared: bool) -> Sequence[Message]:
        event = "cleared" if cleared else "playout"
        return [_text({"type": "mark", "data": {"name": mark, "event": event}})]

    def closing(self) -> Sequence[Message]:
        return []

    def understand(self, message: Message) -> Sequence[Wish]:
        if isinstance(message, bytes):
            audio = self._half_sample + message  # nothing says that a frame ends with a whole sample
            whole = len(audio) // 2 * 2
            self._half_sample = audio[whole:]
            return [Play(_bytes(self._played.convert(samples_of(audio[:whole]))))]
        return self._text(message)

    def _text(self, message: str) -> Sequence[Wish]:
        try:
            said = msgspec.json.decode(message, type=_Said)
        except (msgspec.DecodeError, RecursionError) as error:
            raise NotUnderstood(str(error)) from error
        match said.type:
            case "killAudio" | "clearMarks":
                # What was resampled so far belongs to what is thrown away.
                self._played, self._half_sample = resampler(self._played_rate, SAMPLE_RATE), b""
                return [Clear()]
            case "playAudio":
                return [Play(_audio_of(said.data))]
            case "mark":
                return [Mark(_name_of(said.data))]
            case "disconnect":
                return [Leave()]
            case kind if kind in _PASSED_OVER:
                return []
        raise NotUnderstood(f"unknown type {said.type[:40]!r}")


class _Said(msgspec.Struct):
    type: str
    data: dict[str, Any] = {}


def _name_of(data: dict[str, Any]) -> str:
    name = data.get("name")
    if not isinstance(name, str) or len(name.encode()) > LONGEST_MARK:
        raise NotUnderstood("a mark needs a name, a text of at most a kilobyte")
    return name


def _audio_of(data: dict[str, Any]) -> bytes:
    """The audio of `playAudio`: base64 of raw samples at 8 or 16 kHz, or of a WAV file of such samples."""
    try:
        content = base64.b64decode(data["audioContent"], validate=True)
        kind = data["audioContentType"]
        if kind == "raw":
            return _converted(content, int(data.get("sampleRate", 16000)))
        if kind in ("wav", "wave"):
            return _wav(content)
    except (KeyError, TypeError, ValueError, binascii.Error, wave.Error, EOFError) as error:
        raise NotUnderstood(f"playAudio: {error}") from error
    raise NotUnderstood(f"playAudio: audioContentType {str(kind)[:40]!r} is not played; raw and wav are")


def _wav(content: bytes) -> bytes:
    with wave.open(io.BytesIO(content)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise NotUnderstood("playAudio: a WAV file must be mono and of 16 bits")
        return _converted(file.readframes(file.getnframes()), file.getframerate())


def _converted(audio: bytes, rate: int) -> bytes:
    return _bytes(resampler(rate, SAMPLE_RATE).convert(samples_of(audio)))


def _bytes(samples: Pcm) -> bytes:
    return samples.astype("<i2").tobytes()


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
