"""The process that holds espeak-ng. It is GPLv3: it is loaded here, in a process of its own, and nowhere else."""

import ctypes
import sys

import espeakng_loader
import msgspec

from sautikitd.voice.speech.jobs import Answer, Failed, Sound, Speak
from sautikitd.voice.speech.worker import serve

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8, _SSML = 1, 0x10
_RATE = 1
_LONGEST_BYTES = 30 * 60 * 22050 * 2

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self._rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng did not start: its data is missing")
        self._samples = bytearray()
        self._callback = _Callback(self._collect)  # kept: the library calls it for as long as it lives
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
        if count > 0:  # 0 at the end of the text, with no samples
            self._samples += ctypes.string_at(samples, count * 2)
        return int(len(self._samples) > _LONGEST_BYTES)  # 1 stops

    def speak(self, job: Speak) -> Answer:
        if self._library.espeak_SetVoiceByName(job.voice.encode()) != 0:
            return Failed(message=f"there is no voice {job.voice}")
        self._library.espeak_SetParameter(_RATE, job.words_per_minute, 0)
        self._samples.clear()
        text = job.text.encode() + b"\0"
        flags = _UTF8 | (_SSML if job.ssml else 0)
        status = self._library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, flags, None, None)
        if status != 0:
            return Failed(message=f"espeak-ng refused the text (status {status})")
        return Sound(samples=bytes(self._samples), rate=self._rate)


def main() -> None:
    espeak = Espeak()
    decoder = msgspec.msgpack.Decoder(Speak)
    serve(
        lambda job: msgspec.msgpack.encode(espeak.speak(decoder.decode(job))),
        sys.stdin.buffer,
        sys.stdout.buffer,
    )


if __name__ == "__main__":
    main()
