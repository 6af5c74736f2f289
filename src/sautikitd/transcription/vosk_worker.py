"""One recording through vosk: `python -m sautikitd.transcription.vosk_worker MODEL WAV` writes `{"text": …}`."""

import json
import sys
import wave
from importlib import import_module

_FRAMES = 4000  # half a second


def main(model_folder: str, recording: str) -> None:
    vosk = import_module("vosk")  # the operator's own: no dependency, and no types
    vosk.SetLogLevel(-1)
    sentences: list[str] = []
    with wave.open(recording, "rb") as wav:
        recogniser = vosk.KaldiRecognizer(vosk.Model(model_folder), wav.getframerate())
        while frames := wav.readframes(_FRAMES):
            if recogniser.AcceptWaveform(frames):
                sentences.append(json.loads(recogniser.Result())["text"])
        sentences.append(json.loads(recogniser.FinalResult())["text"])
    sys.stdout.write(json.dumps({"text": " ".join(sentence for sentence in sentences if sentence)}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
