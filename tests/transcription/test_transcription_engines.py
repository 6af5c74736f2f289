"""The engines themselves: long recordings go as MP3, and vosk is told apart from its absence."""

import wave
from pathlib import Path

import pytest

from sautikitd.transcription.engine import TranscriptionFailed
from sautikitd.transcription.offline import VoskTranscriber
from sautikitd.transcription.remote import RemoteTranscriber
from transcription.service import HearingService


def wav_of(path: Path, seconds: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000 * seconds))
    return path


async def test_a_long_recording_is_sent_as_mp3(
    engine: RemoteTranscriber, service: HearingService, tmp_path: Path
) -> None:
    await engine.transcribe(wav_of(tmp_path / "long.wav", 22 * 60), None)
    assert service.heard[0].file_name == "long.mp3"
    assert service.heard[0].size < 5 * 1024 * 1024


async def test_vosk_that_cannot_run_says_why(tmp_path: Path) -> None:
    vosk = VoskTranscriber({"sw": tmp_path / "no-model"})
    with pytest.raises(TranscriptionFailed, match="vosk"):
        await vosk.transcribe(wav_of(tmp_path / "short.wav", 1), "sw-KE")


async def test_vosk_without_a_model_for_the_language_says_so(tmp_path: Path) -> None:
    vosk = VoskTranscriber({"sw": tmp_path / "no-model"})
    with pytest.raises(TranscriptionFailed, match="no model for fr-FR") as caught:
        await vosk.transcribe(wav_of(tmp_path / "short.wav", 1), "fr-FR")
    assert caught.value.final
