"""What a codec is to the plane: packets to and from 8 kHz samples."""

from typing import Protocol

from sautikitd.voice.media.g711 import Codec, Pcm, encode

SAMPLES_A_MS = 8


class BadFrame(ValueError):
    """A payload that the codec cannot decode."""


class FrameDecoder(Protocol):
    """Of one stream: payloads in order."""

    def decode(self, payload: bytes) -> Pcm:
        """Samples at 8 kHz. Raises `BadFrame`."""
        ...

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        """What may have been said in lost samples, at 8 kHz; `following` is the payload after them, when they are
        the last that is missing. None: the codec does not know, and the jitter buffer conceals."""
        ...


class FrameEncoder(Protocol):
    def encode(self, pcm: Pcm) -> bytes:
        """The payload of one packet, of 8 kHz samples."""
        ...


class G711Encoder:
    """For packets of another length than the plane's 20 ms."""

    def __init__(self, law: Codec) -> None:
        self._law = law

    def encode(self, pcm: Pcm) -> bytes:
        return encode(pcm, self._law).tobytes()
