"""`say`, `play` and `pause`, as the far end hears them."""

from itertools import pairwise

import numpy as np
import pytest

from system.sound import RATE, is_speech, power_at
from system.verbs.stage import Stage, heard, piece, pitch, sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")
COUNTING = "one two three four five six"


async def test_a_voice_its_language_its_rate_and_how_often(stage: Stage) -> None:
    phone = await stage.callee()
    pause = {"pause": {"length": 2}}
    call_id = await stage.place(
        *({"say": {"text": COUNTING}}, pause),
        *({"say": {"text": COUNTING, "rate": 1.8}}, pause),
        *({"say": {"text": COUNTING, "voice": "man"}}, pause),
        *({"say": {"text": "1 2 3 4 5 6", "language": "sw-KE"}}, pause),
        {"say": {"text": COUNTING, "loop": 2}},
    )
    await stage.over(call_id)
    samples = heard(phone)
    spans = sounds(samples, apart=1.2)
    assert len(spans) == 5
    plain, quick, man, swahili, twice = (piece(samples, span) for span in spans)
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    assert all(1.8 < gap < 3.2 for gap in gaps)
    assert all(is_speech(one, RATE) for one in (plain, quick, man, swahili, twice))
    assert quick.size < 0.75 * plain.size
    assert pitch(man) < 0.8 * pitch(plain)
    assert abs(swahili.size - plain.size) > 0.03 * RATE  # other words: moja, mbili, tatu
    assert np.isclose(twice.size, 2 * plain.size, rtol=0.2)


async def test_a_sound_file_as_often_as_asked_and_a_tone(stage: Stage) -> None:
    phone = await stage.callee()
    url = stage.tone_file("short", 700, 0.4)
    call_id = await stage.place(
        {"play": {"url": url, "loop": 3}}, {"pause": {"length": 2}}, {"play": {"tone": "dial"}}
    )
    await stage.over(call_id)
    samples = heard(phone)
    file, tone = (piece(samples, span) for span in sounds(samples, apart=1.2))
    assert 1.1 < file.size / RATE < 1.5
    assert power_at(file, RATE, 700) > 0.9
    assert power_at(tone, RATE, 425) > 0.9
