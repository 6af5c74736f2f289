"""The points of the engine's contract that SIPp can judge: it plays files and sends back what it hears, and its scenario
fails unless every message came as it should (`tests/voice/README.md` has the rest, by baresip)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.bridge import Bridge
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.protocol import Tone
from system.sound import power_at, read_wav
from voice.media.rtp_peer import companded, sine
from voice.phones.office import OUR_TONE, Office, office
from voice.sip.far_end import SippRunner

pytestmark = pytest.mark.asyncio(loop_scope="module")

G711 = ("PCMA",)
_TONES_OF_1590_HASH = [(697, 1209), (770, 1336), (852, 1477), (941, 1336), (941, 1477)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with office(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def run_sipp(tmp_path: Path) -> AsyncIterator[SippRunner]:
    runner = SippRunner(tmp_path)
    yield runner
    await runner.stop()


async def _recorded(leg: MediaLeg, path: Path, frames: int, **how: Any) -> None:
    """Records the leg until so many packets more have come."""
    leg_id = str(leg.call_id)
    before = (await leg.media.stats(leg_id)).packets_received
    await leg.media.start_recording(leg_id, f"r-{leg_id}", path, max_ms=60_000, **how)
    async with asyncio.timeout(8):
        while (await leg.media.stats(leg_id)).packets_received < before + frames:
            await asyncio.sleep(0.05)
    await leg.media.stop_recording(f"r-{leg_id}")


async def _until_heard(pressed: list[str], keys: str) -> None:
    async with asyncio.timeout(8):
        while "".join(pressed) != keys:
            await asyncio.sleep(0.05)


async def test_we_call_it_hears_us_is_recorded_gets_our_keys_and_is_hung_up_on(
    here: Office, run_sipp: SippRunner, tmp_path: Path
) -> None:
    sipp = await run_sipp("uas_answer", echo=True)
    leg = await here.call_at(sipp.hop, G711)  # 1
    pressed: list[str] = []
    leg.hear_digits(pressed.append)
    await leg.media.play(
        str(leg.call_id), "tone", [Tone(frequencies=(OUR_TONE,), duration_ms=60_000)]
    )  # 2: its echo tells that it came through
    await _recorded(leg, tmp_path / "echo.wav", 50)  # 3
    echo, rate = read_wav(tmp_path / "echo.wav")
    assert power_at(echo[:, 0], rate, OUR_TONE) > 0.9
    await leg.media.send_digits(str(leg.call_id), "1590#")  # 5
    await _until_heard(pressed, "1590#")
    leg.end(HangupCause.NORMAL_CLEARING)  # 11
    await sipp.succeeded()


async def test_it_calls_and_all_of_1590_hash_arrives_by_rfc_4733(here: Office, run_sipp: SippRunner) -> None:
    sipp = await run_sipp("uac_presses_keys", to=here.port)
    leg = await here.answered(G711)
    pressed: list[str] = []
    leg.hear_digits(pressed.append)
    await _until_heard(pressed, "1590#")  # 4
    leg.end(HangupCause.NORMAL_CLEARING)
    await sipp.succeeded()


async def test_keys_that_are_only_to_be_heard_are_heard(
    here: Office, run_sipp: SippRunner, tmp_path: Path
) -> None:
    """It offers no telephone-event and says the tones of ITU-T Q.23; its answer has none either."""
    sound = tmp_path / "1590.al"
    pause = np.zeros(800)
    tones = [sine(low, 0.1, 6000) + sine(high, 0.1, 6000) for low, high in _TONES_OF_1590_HASH]
    said = np.concatenate([np.zeros(4000), *(part for tone in tones for part in (tone, pause)), pause])
    sound.write_bytes(companded(said, "PCMA"))
    sipp = await run_sipp("uac_speaks_no_events", to=here.port, sound=sound)
    leg = await here.answered(G711)
    pressed: list[str] = []
    leg.hear_digits(pressed.append)
    await _until_heard(pressed, "1590#")  # 4, as lines without RFC 4733 have it
    leg.end(HangupCause.NORMAL_CLEARING)
    await sipp.succeeded()


async def test_two_of_them_are_bridged_and_hear_each_other(
    here: Office, run_sipp: SippRunner, tmp_path: Path
) -> None:
    sound = tmp_path / "tone.al"
    sound.write_bytes(companded(sine(440, 2.0), "PCMA"))
    speaker = await run_sipp("uac_speaks", to=here.port, sound=sound)
    near = await here.answered(G711)
    echoing = await run_sipp("uas_answer", echo=True)
    far = await here.call_at(echoing.hop, G711, beside=near)
    bridge = Bridge(near, far)
    await bridge.open()  # 6
    await _recorded(near, tmp_path / "both.wav", 60, channels=2)
    await bridge.close()
    both, rate = read_wav(tmp_path / "both.wav")
    assert power_at(both[:, 0], rate, 440) > 0.9  # what the one says
    assert power_at(both[:, 1], rate, 440) > 0.9  # and what the other, who heard it, sends back to him
    for leg in (near, far):
        leg.end(HangupCause.NORMAL_CLEARING)
    await speaker.succeeded()
    await echoing.succeeded()
