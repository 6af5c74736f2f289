"""Texts become plausible speech, once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sautikitd.flow.port import PromptUnavailable, Say
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.sounds import Sounds
from sautikitd.voice.speech.speech import Speech


@pytest.fixture
async def speech(tmp_path: Path) -> AsyncIterator[Speech]:
    sounds = Sounds()
    speech = Speech(PromptCache(tmp_path / "prompts"), sounds)
    yield speech
    await speech.close()
    await sounds.close()


def samples(path: Path) -> NDArray[np.float64]:
    return np.fromfile(path, "<i2").astype(np.float64)


def loudness(audio: NDArray[np.float64]) -> float:
    spoken = audio[np.abs(audio) > 300]
    return float(20 * np.log10(np.sqrt(np.mean(spoken**2)) / 32768))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en-KE", "Welcome to the clinic. Press one for appointments, press two for directions."),
        ("sw-KE", "Karibu katika zahanati. Bonyeza moja kupanga miadi, bonyeza mbili kupata maelekezo."),
    ],
)
@pytest.mark.parametrize("voice", ["woman", "man", "alice"])
async def test_a_sentence_sounds_like_speech(speech: Speech, language: str, text: str, voice: str) -> None:
    audio = samples(await speech.render(Say(text=text, language=language, voice=voice)))
    assert 3 < len(audio) / 8000 < 9
    assert -20.5 < loudness(audio) < -17.5
    assert np.max(np.abs(audio)) < 32000
    power = np.abs(np.fft.rfft(audio)) ** 2
    frequency = np.fft.rfftfreq(len(audio), 1 / 8000)
    voiced = power[(frequency > 80) & (frequency < 3400)].sum() / power.sum()
    assert voiced > 0.95


async def test_the_second_time_comes_from_the_cache(speech: Speech) -> None:
    say = Say(text="The same words.")
    first = await speech.render(say)
    written = first.read_bytes()
    start = time.monotonic()
    assert await speech.render(say) == first
    assert time.monotonic() - start < 0.02
    assert first.read_bytes() == written
    assert await speech.render(Say(text="The same words.", rate=1.5)) != first


async def test_many_asking_at_once_get_one_rendering(speech: Speech) -> None:
    paths = await asyncio.gather(*(speech.render(Say(text="All together now.")) for _ in range(5)))
    assert len(set(paths)) == 1


async def test_the_rate_makes_it_longer_or_shorter(speech: Speech) -> None:
    text = "This is a sentence of some length, spoken at several speeds."
    slow, normal, fast = [
        len(samples(await speech.render(Say(text=text, rate=rate)))) for rate in (0.5, 1.0, 2.0)
    ]
    assert slow > 1.6 * normal
    assert fast < 0.65 * normal


async def test_a_break_of_ssml_is_a_pause(speech: Speech) -> None:
    plain = samples(await speech.render(Say(text="One. Two.", ssml=True)))
    paused = samples(await speech.render(Say(text='One. <break time="2s"/> Two.', ssml=True)))
    assert 12_000 < len(paused) - len(plain) < 20_000


async def test_broken_ssml_is_refused_with_the_reason(speech: Speech) -> None:
    with pytest.raises(PromptUnavailable, match="not well-formed"):
        await speech.render(Say(text="<break", ssml=True))


async def test_a_text_too_long_is_refused(speech: Speech) -> None:
    with pytest.raises(PromptUnavailable, match="4000"):
        await speech.render(Say(text="a" * 4001))


async def test_a_text_without_words_is_no_error(speech: Speech) -> None:
    audio = samples(await speech.render(Say(text=" . ")))
    assert np.max(np.abs(audio), initial=0) < 300


async def test_a_worker_that_died_is_started_anew(speech: Speech) -> None:
    await speech.render(Say(text="Before."))
    pid = speech.espeak.worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    process = speech.espeak.worker._process
    assert process is not None
    await process.wait()
    assert len(samples(await speech.render(Say(text="After.")))) > 1000
    assert speech.espeak.worker.pid != pid


async def test_what_is_to_be_spoken_softly_is_soft_though_speech_is_levelled(speech: Speech) -> None:
    words = "one two three four five six"
    plain, soft = [
        loudness(samples(await speech.render(Say(text=text, ssml=True))))
        for text in (words, f'<prosody volume="-12dB">{words}</prosody>')
    ]
    assert plain - soft == pytest.approx(12, abs=4)
