"""G.722 at 64 kbit/s by PyAV, which works at 16 kHz; its RTP clock says 8000 all the same (RFC 3551 section 4.5.2)."""

from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from sautikitd.voice.media.codecs.frames import BadFrame
from sautikitd.voice.media.codecs.halfband import Doubler, Halver
from sautikitd.voice.media.g711 import Pcm

_RATE = 16000


def _context(mode: Literal["r", "w"]) -> AudioCodecContext:
    context = AudioCodecContext.create("g722", mode)
    context.sample_rate = _RATE
    context.layout = "mono"
    context.format = "s16"
    return context


class G722Decoder:
    def __init__(self) -> None:
        self._context = _context("r")
        self._halver = Halver()

    def decode(self, payload: bytes) -> Pcm:
        if not payload:
            raise BadFrame("an empty payload")
        try:
            frames = self._context.decode(av.Packet(payload))
        except FFmpegError as error:
            raise BadFrame(str(error)) from error
        wide = [np.frombuffer(bytes(frame.planes[0]), np.int16, frame.samples) for frame in frames]
        return self._halver.halve(np.concatenate(wide))

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        """Its packets hold no redundancy."""
        return None


class G722Encoder:
    def __init__(self) -> None:
        self._context = _context("w")
        self._doubler = Doubler()

    def encode(self, pcm: Pcm) -> bytes:
        wide = self._doubler.double(pcm)
        frame = av.AudioFrame("s16", "mono", len(wide))
        frame.sample_rate = _RATE
        frame.planes[0].update(wide.tobytes())
        return b"".join(bytes(packet) for packet in self._context.encode(frame))
