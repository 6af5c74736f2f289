"""What the speech and sound workers are asked, and what they answer."""

import msgspec


class Speak(msgspec.Struct, frozen=True, kw_only=True):
    """`text` in UTF-8, SSML when so marked; `voice` an espeak-ng voice; `words_per_minute` 80 to 450."""

    text: str
    voice: str
    words_per_minute: int
    ssml: bool


class Resample(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Signed 16-bit mono samples at `rate` Hz, to 8 kHz."""

    samples: bytes
    rate: int


class Decode(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A whole WAV, MP3 or OGG file, to samples at 8 kHz mono."""

    data: bytes


class EncodeMp3(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A WAV file by path, to an MP3 file at another path."""

    source: str
    target: str


SoundJob = Resample | Decode | EncodeMp3


class Sound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Signed 16-bit little-endian mono samples at `rate` Hz; empty when the answer is a file."""

    samples: bytes
    rate: int


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Why it could not be done, in words for a developer."""

    message: str


Answer = Sound | Failed
