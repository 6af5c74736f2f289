"""RTP packets (RFC 3550 section 5.1): the careful reader, for all that the plane's fast path does not know."""

import struct
from typing import NamedTuple

_HEADER = struct.Struct("!BBHII")
HEADER_SIZE = _HEADER.size


class RtpPacket(NamedTuple):
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet, without CSRCs, header extension and padding; None when it is not valid RTP version 2."""
    if len(data) < HEADER_SIZE:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2 or 72 <= second & 0x7F <= 76:  # RTCP on the wrong port: RFC 5761 section 4
        return None
    start = HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if end < start:
        return None
    return RtpPacket(bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, data[start:end])


def build_rtp(packet: RtpPacket) -> bytes:
    second = packet.payload_type | (0x80 if packet.marker else 0)
    header = _HEADER.pack(0x80, second, packet.sequence & 0xFFFF, packet.timestamp & 0xFFFFFFFF, packet.ssrc)
    return header + packet.payload
