"""Opus (RFC 6716, RFC 7587): narrow band, since the plane and the telephone network are."""

import ctypes

import numpy as np

from sautikitd.voice.media.codecs.frames import BadFrame
from sautikitd.voice.media.codecs.libopus import libopus
from sautikitd.voice.media.g711 import SAMPLE_RATE, Pcm

_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS = 4002, 4010, 4012, 4014
_BITRATE = 24_000  # transparent for narrow-band speech; below it the encoder leaves the redundancy out
_COMPLEXITY = 1  # a third of the time of the default, and no difference to hear in narrow band
_EXPECTED_LOSS_PERCENT = 10  # without an expectation the encoder writes no redundancy
_LONGEST_SAMPLES = 960  # 120 ms, the longest packet of Opus
_LARGEST_PAYLOAD = 1275


class OpusDecoder:
    def __init__(self) -> None:
        self._library = libopus()
        self._state = self._library.opus_decoder_create(SAMPLE_RATE, 1, None)
        if not self._state:
            raise MemoryError("libopus made no decoder")
        self._samples = np.zeros(_LONGEST_SAMPLES, np.int16)
        self._address = self._samples.ctypes.data

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.opus_decoder_destroy(self._state)

    def decode(self, payload: bytes) -> Pcm:
        if not payload:
            raise BadFrame("an empty payload")
        return self._run(payload, _LONGEST_SAMPLES, recover=False)

    def conceal(self, samples: int, following: bytes | None) -> Pcm | None:
        """Of the redundancy in the packet after it where there is some, else by the decoder's own extrapolation.
        Whole 2.5 ms only."""
        if samples % 20 or not 0 < samples <= _LONGEST_SAMPLES:
            return None
        return self._run(following or None, samples, recover=following is not None)

    def _run(self, payload: bytes | None, samples: int, *, recover: bool) -> Pcm:
        size = len(payload) if payload is not None else 0
        count = self._library.opus_decode(self._state, payload, size, self._address, samples, int(recover))
        if count < 0:
            raise BadFrame(f"libopus gives error {count}")
        return self._samples[:count].copy()


class OpusEncoder:
    """With in-band redundancy, so that a decoder which knows how may recover a lost packet."""

    def __init__(self) -> None:
        self._library = libopus()
        self._state = self._library.opus_encoder_create(SAMPLE_RATE, 1, _VOIP, None)
        if not self._state:
            raise MemoryError("libopus made no encoder")
        for setting, value in (
            (_SET_BITRATE, _BITRATE),
            (_SET_COMPLEXITY, _COMPLEXITY),
            (_SET_INBAND_FEC, 1),
            (_SET_PACKET_LOSS, _EXPECTED_LOSS_PERCENT),
        ):
            control = self._library.opus_encoder_ctl
            control(ctypes.c_void_p(self._state), ctypes.c_int(setting), ctypes.c_int32(value))
        self._out = ctypes.create_string_buffer(_LARGEST_PAYLOAD)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.opus_encoder_destroy(self._state)

    def encode(self, pcm: Pcm) -> bytes:
        """Of 10, 20, 40 or 60 ms."""
        samples = np.ascontiguousarray(pcm)
        size = self._library.opus_encode(
            self._state, samples.ctypes.data, len(samples), self._out, _LARGEST_PAYLOAD
        )
        if size < 0:
            raise BadFrame(f"libopus gives error {size}")
        return self._out.raw[:size]
