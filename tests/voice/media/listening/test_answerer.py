"""Who answered: by generated answers, and by the single rules that decide it."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from sautikitd.voice.media.g711 import FRAME_SAMPLES, Pcm
from sautikitd.voice.media.listening.answerer import Answerer, AnswererEar, GreetingEnd
from voice.media.answers import RATE, Line, Speaker, make_line


@pytest.fixture(scope="module")
def lines() -> Iterator[list[Line]]:
    with Speaker() as speaker:
        yield [make_line(seed, speaker) for seed in range(500, 560)]


def _heard(samples: Pcm, *, to_the_end: bool = False) -> AnswererEar:
    ear = AnswererEar(to_the_end=to_the_end)
    for start in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        ear.hear(samples[start : start + FRAME_SAMPLES])
        if ear.over:
            break
    return ear


def _silence(seconds: float) -> Pcm:
    return np.zeros(int(RATE * seconds), np.int16)


def _tone(hertz: float, seconds: float) -> Pcm:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)).astype(np.int16)


def _words(seconds: float, seed: int = 1) -> Pcm:
    """Noise that rises and falls as syllables do, four a second."""
    count = int(RATE * seconds)
    noise = np.random.default_rng(seed).standard_normal(count) * 3000
    words: Pcm = (noise * np.clip(np.sin(2 * np.pi * 4 * np.arange(count) / RATE), 0, 1)).astype(np.int16)
    return words


def test_nine_of_ten_generated_answers_are_told_apart(lines: list[Line]) -> None:
    wrong = Counter((line.kind, str(_heard(line.samples).answerer)) for line in lines
                    if _heard(line.samples).answerer is not line.truth)  # fmt: skip
    assert wrong.total() <= len(lines) // 10, wrong


def test_no_generated_fax_and_hardly_a_plain_hello_is_mistaken(lines: list[Line]) -> None:
    plain = [line for line in lines if line.kind in ("short", "fax_ced", "fax_cng")]
    wrong = [line.kind for line in plain if _heard(line.samples).answerer is not line.truth]
    assert len(wrong) <= 1, wrong


def test_a_message_never_begins_before_the_beep_is_over(lines: list[Line]) -> None:
    with_beep = [line for line in lines if line.beep and line.truth is Answerer.MACHINE]
    assert len(with_beep) > 5
    for line in with_beep:
        ear = _heard(line.samples, to_the_end=True)
        if ear.answerer is Answerer.MACHINE:
            assert line.ends_at is not None
            assert -0.05 < ear.elapsed_ms / 1000 - line.ends_at < 0.3


def test_a_word_and_silence_after_it_is_a_human_being_within_a_second() -> None:
    ear = _heard(np.concatenate([_silence(0.5), _words(0.6), _silence(3)]))
    assert ear.answerer is Answerer.HUMAN
    assert ear.elapsed_ms < 2100


def test_speech_that_goes_on_is_a_machine() -> None:
    ear = _heard(np.concatenate([_silence(0.5), _words(8)]))
    assert ear.answerer is Answerer.MACHINE
    assert ear.elapsed_ms < 4600


def test_a_greeting_without_a_beep_is_over_after_two_seconds_of_silence() -> None:
    ear = _heard(np.concatenate([_words(6), _silence(5)]), to_the_end=True)
    assert (ear.answerer, ear.greeting_end) == (Answerer.MACHINE, GreetingEnd.SILENCE)
    assert 8000 <= ear.elapsed_ms <= 8400


def test_a_greeting_that_never_ends_is_not_waited_for_longer_than_half_a_minute() -> None:
    ear = _heard(_words(40), to_the_end=True)
    assert (ear.greeting_end, ear.elapsed_ms) == (GreetingEnd.LIMIT, 30_000)


def test_of_a_human_being_there_is_no_greeting_to_wait_for() -> None:
    ear = _heard(np.concatenate([_words(0.6), _silence(3)]), to_the_end=True)
    assert (ear.answerer, ear.over) == (Answerer.HUMAN, True)


@pytest.mark.parametrize("hertz", [2100.0, 1100.0])
def test_a_fax_is_told_by_its_tone(hertz: float) -> None:
    ear = _heard(np.concatenate([_silence(0.5), _tone(hertz, 2.5)]))
    assert ear.answerer is Answerer.FAX
    assert ear.elapsed_ms < 1100


def test_a_beep_alone_is_a_machine() -> None:
    assert _heard(np.concatenate([_silence(1), _tone(1000, 0.4), _silence(2)])).answerer is Answerer.MACHINE


@pytest.mark.parametrize("sound", ["silence", "hiss", "ringing"])
def test_a_line_on_which_nobody_speaks_is_unknown(sound: str) -> None:
    hiss = (np.random.default_rng(2).standard_normal(8 * RATE) * 300).astype(np.int16)
    ringing = np.concatenate([_tone(425, 1.0), _silence(4), _tone(425, 1.0), _silence(4)])
    line = {"silence": _silence(8), "hiss": hiss, "ringing": ringing}[sound]
    assert _heard(line).answerer is Answerer.UNKNOWN


def test_clicks_are_no_words() -> None:
    line = _silence(6)
    for at in (0.5, 1.5, 2.5):
        line[int(at * RATE) : int(at * RATE) + 80] = 12000
    assert _heard(line).answerer is Answerer.UNKNOWN
