"""Sound files become prompts, and recordings MP3."""

import io
import os
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sautikitd.flow.port import PromptUnavailable
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.sounds import MAX_FILE_BYTES, AudioFiles, Sounds


@pytest.fixture
async def sounds() -> AsyncIterator[Sounds]:
    sounds = Sounds()
    yield sounds
    await sounds.close()


@pytest.fixture
def files(sounds: Sounds, tmp_path: Path) -> AudioFiles:
    return AudioFiles(PromptCache(tmp_path / "prompts"), sounds)


def wav(frequency: float, seconds: float, rate: int, channels: int) -> bytes:
    tone = (8000 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype("<i2")
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone, channels).tobytes())
    return made.getvalue()


def converted(data: bytes, form: str, codec: str) -> bytes:
    made = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(made, "w", format=form) as target:
        stream = target.add_stream(codec, rate=48000)
        assert isinstance(stream, av.AudioStream)
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return made.getvalue()


def level(audio: NDArray[np.float64], frequency: float) -> float:
    window = np.hanning(len(audio))
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(audio)) / 8000)
    return float(2 * abs(np.sum(audio * window * turn)) / np.sum(window))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (16000, 1), (48000, 2)])
async def test_a_wav_file_keeps_its_tone_and_length(files: AudioFiles, rate: int, channels: int) -> None:
    audio = np.fromfile(await files.decode(wav(1000, 1.0, rate, channels)), "<i2").astype(np.float64)
    assert abs(len(audio) - 8000) <= 32
    assert 7600 < level(audio, 1000) < 8400


@pytest.mark.parametrize(("form", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus")])
async def test_compressed_files_are_decoded(files: AudioFiles, form: str, codec: str) -> None:
    data = converted(wav(1000, 1.0, 48000, 2), form, codec)
    audio = np.fromfile(await files.decode(data), "<i2").astype(np.float64)
    assert 7800 < len(audio) < 8700
    assert level(audio, 1000) > 6500


async def test_a_path_will_do_and_the_second_time_is_cached(files: AudioFiles, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(1000, 0.2, 8000, 1))
    assert await files.decode(path) == await files.decode(path.read_bytes())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "neither WAV"),
        (b"#EXTM3U\nhttp://127.0.0.1/x", "neither WAV"),
        (b"RIFF\0\0\0\0WAVEgarbage", "could not be read"),
        (b"OggS" + bytes(500), "could not be read"),
        (bytes(MAX_FILE_BYTES + 1), "larger than 20 MB"),
    ],
)
async def test_what_is_no_sound_file_is_refused_with_the_reason(
    files: AudioFiles, data: bytes, reason: str
) -> None:
    with pytest.raises(PromptUnavailable, match=reason):
        await files.decode(data)


async def test_a_file_longer_than_half_an_hour_is_refused(files: AudioFiles) -> None:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(31 * 60 * 8000))
    with pytest.raises(PromptUnavailable, match="30 minutes"):
        await files.decode(made.getvalue())


@pytest.mark.parametrize("channels", [1, 2])
async def test_a_recording_becomes_an_mp3(sounds: Sounds, tmp_path: Path, channels: int) -> None:
    source, target = tmp_path / "r.wav", tmp_path / "r.mp3"
    source.write_bytes(wav(1000, 1.0, 8000, channels))
    await sounds.mp3(source, target)
    with av.open(str(target)) as file:
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.channels) in {("mp3", channels), ("mp3float", channels)}
        assert sum(frame.samples for frame in file.decode(audio=0)) / stream.rate > 0.9


def test_the_cache_keeps_to_its_size_and_drops_the_least_used(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path, max_bytes=2500)
    cache.put("a", bytes(1000))
    cache.put("b", bytes(1000))
    for key, used in (("a", 1), ("b", 2)):
        os.utime(tmp_path / f"{key}.pcm", (used, used))
    assert cache.find("a")
    cache.put("c", bytes(1000))
    assert (cache.find("a") is not None, cache.find("b"), cache.find("c") is not None) == (True, None, True)
