"""The SSML subset of `say`, as a phone hears it: by how long it takes, how loud and how high it is."""

from itertools import pairwise

import numpy as np
import pytest

from system.sound import RATE, Samples
from system.verbs.stage import Stage, heard, piece, pitch, sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = "one two three four five six"
_APART_S = 1.2
_PAUSE = {"pause": {"length": 2}}


async def _spoken(stage: Stage, *texts: str) -> list[Samples]:
    """What a phone heard of each text, in one call."""
    phone = await stage.callee()
    actions = [action for text in texts for action in ({"say": {"text": f"<speak>{text}</speak>"}}, _PAUSE)]
    await stage.over(await stage.place(*actions[:-1]))
    samples = heard(phone)
    spans = sounds(samples, apart=_APART_S)
    assert len(spans) == len(texts), spans
    return [piece(samples, span) for span in spans]


def _level(samples: Samples) -> float:
    """The mean of what is not pause."""
    frames = samples[: samples.size // 160 * 160].reshape(-1, 160)
    levels = np.sqrt((frames**2).mean(axis=1))
    return float(levels[levels > 0.005].mean())


async def test_a_break_is_a_silence_of_its_length(stage: Stage) -> None:
    phone = await stage.callee()
    text = '<speak>one two<break time="1.5s"/>three four<break strength="none"/>five six<break time="700ms"/>seven</speak>'
    await stage.over(await stage.place({"say": {"text": text}}))
    spans = sounds(heard(phone), apart=0.5)
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    assert len(gaps) == 2
    assert gaps == [pytest.approx(1.5, abs=0.35), pytest.approx(0.7, abs=0.3)]


async def test_prosody_changes_rate_volume_and_pitch_of_what_stands_in_it(stage: Stage) -> None:
    plain, slow, quick, soft, high, low = await _spoken(
        stage,
        WORDS,
        f'<prosody rate="slow">{WORDS}</prosody>',
        f'<prosody rate="180%">{WORDS}</prosody>',
        f'<prosody volume="-12dB">{WORDS}</prosody>',
        f'<prosody pitch="x-high">{WORDS}</prosody>',
        f'<prosody pitch="x-low">{WORDS}</prosody>',
    )
    assert quick.size < 0.75 * plain.size
    assert slow.size > 1.15 * plain.size
    assert _level(soft) < 0.5 * _level(plain)
    assert pitch(low) < 0.95 * pitch(plain)
    assert pitch(high) > 1.03 * pitch(plain)


async def test_emphasis_is_heard_and_a_substitute_is_said_instead(stage: Stage) -> None:
    plain, strong, short, long = await _spoken(
        stage,
        WORDS,
        f'<emphasis level="strong">{WORDS}</emphasis>',
        "KRA",
        '<sub alias="Kenya Revenue Authority">KRA</sub>',
    )
    assert strong.size > 1.15 * plain.size
    assert pitch(strong) > pitch(plain)
    assert long.size > 2 * short.size


async def test_say_as_decides_how_figures_are_read(stage: Stage) -> None:
    """120654: six figures, or one hundred and twenty thousand six hundred and fifty-four."""
    small, digits, number, telephone, date = await _spoken(
        stage,
        '<say-as interpret-as="cardinal">12</say-as>',
        '<say-as interpret-as="digits">120654</say-as>',
        '<say-as interpret-as="cardinal">120654</say-as>',
        '<say-as interpret-as="telephone">0722000111</say-as>',
        '<say-as interpret-as="date" format="dmy">24/11/2026</say-as>',
    )
    assert small.size < 0.4 * digits.size
    assert number.size > 1.3 * digits.size
    assert telephone.size > 1.3 * digits.size  # ten figures
    assert date.size > 2 * RATE  # the twenty-fourth of November, twenty twenty-six
