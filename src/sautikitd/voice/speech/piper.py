"""Piper with the operator's models. It is GPLv3: it is run as a command of its own and never imported.

The options are those which the C++ program and its successor in Python both take: `--model`, `--output_file`,
`--length_scale`; the text is one line on standard input.
"""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.speech.engine import Unspeakable, Utterance
from sautikitd.voice.speech.sounds import MAX_FILE_BYTES, Sounds

_TIMEOUT_S = 20.0
_AT_ONCE = 2
_GENERIC = frozenset({"woman", "man", "alice"})


class Piper:
    """`models` are model files by name: a language (`sw`, `en-KE`), a language and a voice (`sw.man`), or the name
    in `piper:NAME`. `command` is the program and any arguments that come before ours."""

    name = "piper"

    def __init__(
        self,
        sounds: Sounds,
        models: Mapping[str, Path],
        *,
        command: Sequence[str] = ("piper",),
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._sounds = sounds
        self._models = models
        self._command = command
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def speak(self, utterance: Utterance) -> bytes:
        model = self._model_of(utterance)
        text = " ".join(utterance.text.split())
        if not text:
            return b""
        async with self._slots:
            with tempfile.TemporaryDirectory(prefix="sautikit-piper-") as folder:
                wav = Path(folder, "said.wav")
                await self._run(model, wav, 1 / utterance.rate, text)
                return await self._sounds.decode(await asyncio.to_thread(_read, wav))

    async def close(self) -> None:
        """Nothing stays running between two texts."""

    def _model_of(self, utterance: Utterance) -> Path:
        language = utterance.language
        primary = language.partition("-")[0]
        if utterance.voice in _GENERIC:
            wanted = [f"{tag}.{utterance.voice}" for tag in (language, primary)] + [language, primary]
        else:
            wanted = [utterance.voice]
        for name in wanted:
            if name in self._models:
                return self._models[name]
        raise Unspeakable(f"piper has no model for {wanted[0]}")

    async def _run(self, model: Path, wav: Path, length_scale: float, text: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *(*self._command, "--model", str(model), "--output_file", str(wav)),
                *("--length_scale", f"{length_scale:.3f}"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise PromptUnavailable(f"piper cannot be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                _, complaint = await process.communicate(f"{text}\n".encode())
        except TimeoutError:
            raise PromptUnavailable(f"piper was not ready within {self._timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise PromptUnavailable(f"piper failed: {last[:200]}")


def _read(wav: Path) -> bytes:
    try:
        with wav.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise PromptUnavailable(f"piper made no sound: {error.strerror}") from error
