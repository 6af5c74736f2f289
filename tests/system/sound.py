"""Judging sound by its spectrum."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
Samples = NDArray[np.float64]


def read_wav(path: Path) -> tuple[Samples, int]:
    """Samples (frames × channels) in -1 to 1, and the rate."""
    with wave.open(str(path), "rb") as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return raw.reshape(-1, file.getnchannels()).astype(np.float64) / 32768, file.getframerate()


def read_growing(path: Path) -> Samples:
    """What a phone has written so far of a mono file at 8 kHz, whose header (44 bytes) is not complete yet."""
    content = path.read_bytes()[44:]
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2").astype(np.float64) / 32768


def write_tone(path: Path, hertz: float, *, seconds: float, rate: int = RATE, channels: int = 1) -> None:
    """A sine of one frequency at a third of full scale."""
    times = np.arange(int(seconds * rate)) / rate
    samples = np.repeat((np.sin(2 * np.pi * hertz * times) * 32767 / 3).astype("<i2"), channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def power_at(samples: Samples, rate: int, hertz: float, width: float = 20) -> float:
    """The share of all power, 0 to 1, that lies within `width` of a frequency, in the loudest half second."""
    if samples.size == 0:
        return 0.0
    window = min(rate // 2, samples.size)
    starts = range(0, max(1, samples.size - window), max(1, window // 2))
    loudest = max(starts, key=lambda start: float(np.sum(samples[start : start + window] ** 2)))
    piece = samples[loudest : loudest + window]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(piece.size))) ** 2
    frequencies = np.fft.rfftfreq(piece.size, 1 / rate)
    total = float(spectrum[1:].sum())
    near = float(spectrum[np.abs(frequencies - hertz) <= width].sum())
    return near / total if total else 0.0


def is_speech(samples: Samples, rate: int) -> bool:
    """Loud enough, in a voice's band, and rising and falling as syllables do."""
    if samples.size < rate // 2:
        return False
    frames = samples[: samples.size // 160 * 160].reshape(-1, 160)
    levels = np.sqrt((frames**2).mean(axis=1))
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(samples.size, 1 / rate)
    voice = float(spectrum[(frequencies > 150) & (frequencies < 3400)].sum() / max(spectrum[1:].sum(), 1e-12))
    loud = levels[levels > 0.01]
    return voice > 0.8 and loud.size > 15 and float(loud.std() / loud.mean()) > 0.25


def loud_seconds(samples: Samples, rate: int) -> float:
    """How long there was something to hear."""
    frames = samples[: samples.size // 160 * 160].reshape(-1, 160)
    return float((np.sqrt((frames**2).mean(axis=1)) > 0.01).sum() * 160 / rate)
