"""WAV files of 16-bit PCM at 8 kHz, whose header can be put right after a crash."""

import os
import struct
from pathlib import Path

from sautikitd.voice.media.g711 import SAMPLE_RATE

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_SIZE = _HEADER.size
_LARGEST_DATA = 0xFFFFFFFF - HEADER_SIZE


def wav_header(channels: int, data_size: int) -> bytes:
    """A header for `data_size` bytes of signed 16-bit little-endian samples, interleaved when `channels` is 2."""
    width = 2 * channels
    size = min(data_size, _LARGEST_DATA)
    return _HEADER.pack(
        b"RIFF", HEADER_SIZE - 8 + size, b"WAVE",
        b"fmt ", 16, 1, channels, SAMPLE_RATE, SAMPLE_RATE * width, width, 16,
        b"data", size,
    )  # fmt: skip


def repair_wav(path: Path) -> int:
    """Makes the header of a recording agree with its length, after a crash; its duration in milliseconds.

    Raises ValueError for a file that our recorder did not write, OSError when it cannot be read or written.
    """
    with path.open("r+b") as file:
        header = file.read(HEADER_SIZE)
        if len(header) < HEADER_SIZE or header[:4] != b"RIFF" or header[36:40] != b"data":
            raise ValueError(f"{path.name} does not begin as one of our recordings")
        channels: int = _HEADER.unpack(header)[6]
        if channels not in (1, 2):
            raise ValueError(f"{path.name} claims {channels} channels")
        frames = (os.fstat(file.fileno()).st_size - HEADER_SIZE) // (2 * channels)
        file.truncate(HEADER_SIZE + frames * 2 * channels)
        file.seek(0)
        file.write(wav_header(channels, frames * 2 * channels))
    return frames * 1000 // SAMPLE_RATE
