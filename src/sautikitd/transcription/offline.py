"""Vosk with the operator's models: transcription without a network, each recording in a process of its own.

`pip install vosk` beside the platform; it is no dependency of ours. The process ends with its recording, and the
memory of its model with it.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from sautikitd.transcription.engine import Transcript, TranscriptionFailed

_TIMEOUT_S = 600.0
_MODULE = "sautikitd.transcription.vosk_worker"


class _Heard(msgspec.Struct):
    text: str


class VoskTranscriber:
    """`models` are model folders by language (`sw`, `en-KE`); the first is for recordings whose language nobody said."""

    name = "vosk"

    def __init__(self, models: Mapping[str, Path], *, timeout_s: float = _TIMEOUT_S) -> None:
        self._models = models
        self._timeout_s = timeout_s

    async def transcribe(self, wav: Path, language: str | None) -> Transcript:
        name, model = self._model_for(language)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULE, str(model), str(wav)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said, complaint = await process.communicate()
        except TimeoutError:
            raise TranscriptionFailed(f"vosk took longer than {self._timeout_s:g} s", final=True) from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise TranscriptionFailed(f"vosk failed: {last[:200]}", final=False)
        return Transcript(text=msgspec.json.decode(said, type=_Heard).text, language=name.partition("-")[0])

    def _model_for(self, language: str | None) -> tuple[str, Path]:
        if language is None:
            return next(iter(self._models.items()))
        for name in (language, language.partition("-")[0]):
            if name in self._models:
                return name, self._models[name]
        raise TranscriptionFailed(f"there is no model for {language}", final=True)
