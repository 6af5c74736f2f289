"""The reference library of Opus, as PyAV brings it, else the system's, through ctypes: its decoder gives 8 kHz
whatever was encoded, recovers a lost packet from the next one's redundancy, and costs a third of PyAV's way to it."""

import ctypes
import ctypes.util
import functools
import importlib.util
from pathlib import Path

_LIBRARY_FOLDER = "av.libs"


class OpusMissing(RuntimeError):
    """There is no libopus: install PyAV's wheel, or the system's package of libopus 1.3 or newer."""


@functools.cache
def libopus() -> ctypes.CDLL:
    """Raises `OpusMissing`."""
    library = ctypes.CDLL(_find())
    pointer, number, samples = ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_create.argtypes = [number, ctypes.c_int, ctypes.c_int, pointer]
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encoder_destroy.restype = None
    library.opus_encode.argtypes = [pointer, samples, ctypes.c_int, pointer, number]
    library.opus_decoder_create.restype = pointer
    library.opus_decoder_create.argtypes = [number, ctypes.c_int, pointer]
    library.opus_decoder_destroy.argtypes = [pointer]
    library.opus_decoder_destroy.restype = None
    library.opus_decode.argtypes = [
        *(pointer, ctypes.c_char_p, number, samples, ctypes.c_int, ctypes.c_int),
    ]
    return library


def _find() -> str:
    package = importlib.util.find_spec("av")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent.parent / _LIBRARY_FOLDER
        if found := sorted(folder.glob("libopus-*")):
            return str(found[0])
    system = ctypes.util.find_library("opus")
    if system is None:
        raise OpusMissing(OpusMissing.__doc__)
    return system
