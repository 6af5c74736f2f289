"""G.711 (ITU-T G.711) by table: one look-up per sample each way, so whole arrays convert at once."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Pcm = NDArray[np.int16]

SAMPLE_RATE = 8000
FRAME_SAMPLES = 160  # 20 ms
FRAME_S = 0.020


class Codec(StrEnum):
    """What a leg may be agreed on. The plane's tables know the first two; the others become one of them on the way."""

    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G722"
    OPUS = "opus"


def _mu_law() -> Pcm:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    table: Pcm = np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)
    return table


def _a_law() -> Pcm:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + np.where(segment == 0, 8, 0x108)
    magnitude = magnitude << np.maximum(segment - 1, 0)
    table: Pcm = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return table


def _nearest_code(decoded: Pcm, zero: int) -> Codes:
    """For each 16-bit sample, indexed as unsigned, the code whose decoded value is nearest."""
    levels, codes = np.unique(decoded, return_index=True)
    middles = (levels[1:].astype(np.float64) + levels[:-1]) / 2
    samples = np.arange(65536, dtype=np.uint16).view(np.int16)
    table = codes[np.searchsorted(middles, samples)].astype(np.uint8)
    table[0] = zero
    return table


_LAWS = {Codec.PCMU: (_mu_law(), 0xFF), Codec.PCMA: (_a_law(), 0xD5)}
SILENCE = {codec: zero for codec, (_, zero) in _LAWS.items()}
STATIC_PAYLOAD_TYPE = {Codec.PCMU: 0, Codec.PCMA: 8}  # RFC 3551 section 6

# Both laws in one table: a row adds its law's offset, so rows of either law convert in one call.
LAW_INDEX = {Codec.PCMU: 0, Codec.PCMA: 1}
DECODE_BOTH: Pcm = np.concatenate([_LAWS[Codec.PCMU][0], _LAWS[Codec.PCMA][0]])
# Two samples at a time, a quarter of the look-ups' work: by two codes as they stand in memory, one law after the other.
_PAIRS = np.arange(65536, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
DECODE_PAIRS: NDArray[np.uint32] = np.concatenate(
    [_LAWS[law][0][_PAIRS].view(np.uint32).reshape(-1) for law in (Codec.PCMU, Codec.PCMA)]
)
ENCODE_BOTH: Codes = np.concatenate([_nearest_code(*_LAWS[Codec.PCMU]), _nearest_code(*_LAWS[Codec.PCMA])])


def decode(codes: Codes, codec: Codec) -> Pcm:
    table: Pcm = _LAWS[codec][0][codes]
    return table


def encode(pcm: Pcm, codec: Codec) -> Codes:
    start = 65536 * LAW_INDEX[codec]
    codes: Codes = ENCODE_BOTH[start : start + 65536][pcm.view(np.uint16)]
    return codes
