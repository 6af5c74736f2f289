"""What the media process and the stream process say to each other about one stream: datagrams on a local socket.

The socket is SOCK_SEQPACKET, made by the media process towards the path that the stream process listens on; its
first datagram is the stream's id. Each later one is a kind (one byte) and what belongs to it. Audio is signed 16-bit
little-endian mono at 8 kHz. The end of the connection is the end of the fork, from either side.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

LARGEST_DATAGRAM = 32 * 1024
"""Longer audio goes in several."""

LONGEST_MARK = 1024  # bytes of UTF-8

_FRAME = struct.Struct("!BIIB")
_HEARD, _SAID = 1, 2


class Kind(IntEnum):
    FRAME = 1  # from the media process: 20 ms of the call
    PLAYED = 2  # a mark whose audio has been played
    CLEARED = 3  # a mark whose audio was cleared before it was played
    AUDIO = 4  # to the media process: audio to be played
    MARK = 5  # a name that comes back once the audio before it has been played
    CLEAR = 6  # forget the audio and the marks that have not been played yet


class Frame(NamedTuple):
    """20 ms of each track asked for, the other one empty. `missed` counts frames that found no room on this
    socket, `overflowed` samples that found none in the queue of audio to be played; both since the beginning."""

    heard: bytes
    said: bytes
    missed: int
    overflowed: int


def pack_frame(heard: bytes, said: bytes, missed: int, overflowed: int) -> bytes:
    tracks = (_HEARD if heard else 0) | (_SAID if said else 0)
    return _FRAME.pack(Kind.FRAME, missed & 0xFFFFFFFF, overflowed & 0xFFFFFFFF, tracks) + heard + said


def read_frame(datagram: bytes) -> Frame:
    """Raises `struct.error` for a datagram that is too short."""
    _, missed, overflowed, tracks = _FRAME.unpack_from(datagram)
    audio = datagram[_FRAME.size :]
    if tracks == _HEARD | _SAID:
        half = len(audio) // 2
        return Frame(audio[:half], audio[half:], missed, overflowed)
    return Frame(audio if tracks == _HEARD else b"", audio if tracks == _SAID else b"", missed, overflowed)


def pack(kind: Kind, content: bytes = b"") -> bytes:
    return bytes((kind,)) + content
