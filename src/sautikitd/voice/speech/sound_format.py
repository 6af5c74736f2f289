"""What a sound file is, by its first bytes: never by its name, nor by what its sender says."""


class Unreadable(Exception):
    """The sound cannot be read; the message says why."""


def sound_format(data: bytes) -> str:
    """`wav`, `mp3` or `ogg`. Told to the decoder, which would else try formats that fetch other files."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0):
        return "mp3"
    raise Unreadable("the file is neither WAV, MP3 nor OGG")
