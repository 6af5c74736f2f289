"""Engines besides espeak-ng: piper by its command line, a service over HTTP, and what happens when they fail."""

import asyncio
import io
import json
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web

from sautikitd.clock import ManualClock
from sautikitd.egress.client import EgressClient
from sautikitd.egress.guard import EgressGuard
from sautikitd.flow.port import Say
from sautikitd.voice.speech.cache import PromptCache
from sautikitd.voice.speech.engine import Engine
from sautikitd.voice.speech.piper import Piper
from sautikitd.voice.speech.remote import RemoteSpeech, SpeechService
from sautikitd.voice.speech.sounds import Sounds
from sautikitd.voice.speech.speech import REST_S, Speech

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Takes piper's options and text as piper does, and answers with a tone as long as the text. Model `broken` fails.
PIPER = """
import argparse, math, struct, sys, wave
options = argparse.ArgumentParser()
options.add_argument("-m", "--model", required=True)
options.add_argument("-f", "--output-file", "--output_file")
options.add_argument("--length-scale", "--length_scale", type=float, default=1.0)
given = options.parse_args()
if "broken" in given.model:
    sys.exit("ValueError: Unable to find voice: " + given.model)
pitch = 1000 if "man" in given.model else 500
count = int(22050 * 0.01 * sum(len(line.strip()) for line in sys.stdin) * given.length_scale)
with wave.open(given.output_file, "wb") as file:
    file.setparams((1, 2, 22050, 0, "NONE", ""))
    file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * pitch * i / 22050))) for i in range(count)))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sounds() -> AsyncIterator[Sounds]:
    """One for all: what takes time is to start it."""
    sounds = Sounds()
    yield sounds
    await sounds.close()


@pytest.fixture
def piper(tmp_path: Path, sounds: Sounds) -> Piper:
    program = tmp_path / "piper.py"
    program.write_text(PIPER)
    models = {name: tmp_path / f"{name}.onnx" for name in ("sw", "sw.man", "amani", "broken")}
    return Piper(sounds, models, command=(sys.executable, str(program)))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def speaking(tmp_path: Path, sounds: Sounds, engine: Engine, clock: ManualClock) -> Speech:
    return Speech(PromptCache(tmp_path / "prompts"), sounds, engines=[engine], clock=clock)


def pitch_of(path: Path) -> float:
    audio = np.fromfile(path, "<i2").astype(np.float64)
    return float(np.argmax(np.abs(np.fft.rfft(audio))) * 8000 / len(audio))


async def test_piper_speaks_by_language_voice_and_name(
    tmp_path: Path, sounds: Sounds, piper: Piper, clock: ManualClock
) -> None:
    speech, heard = speaking(tmp_path, sounds, piper, clock), list[str]()
    woman = await speech.render(Say(text="karibu sana", language="sw-KE"), heard.append)
    man = await speech.render(Say(text="karibu sana", language="sw-KE", voice="man"), heard.append)
    named = await speech.render(Say(text="karibu sana", voice="piper:amani"), heard.append)
    assert (round(pitch_of(woman), -1), round(pitch_of(man), -1), round(pitch_of(named), -1)) == (
        500,
        1000,
        1000,
    )
    assert heard == []
    await speech.close()


async def test_piper_speaks_slower_when_asked(
    tmp_path: Path, sounds: Sounds, piper: Piper, clock: ManualClock
) -> None:
    speech = speaking(tmp_path, sounds, piper, clock)
    slow = await speech.render(Say(text="karibu sana", language="sw-KE", rate=0.5))
    normal = await speech.render(Say(text="karibu sana", language="sw-KE"))
    assert 1.9 < slow.stat().st_size / normal.stat().st_size < 2.1
    await speech.close()


async def test_where_piper_has_no_model_espeak_speaks_and_says_so(
    tmp_path: Path, sounds: Sounds, piper: Piper, clock: ManualClock
) -> None:
    speech, heard = speaking(tmp_path, sounds, piper, clock), list[str]()
    assert (await speech.render(Say(text="hello", language="en-KE"), heard.append)).stat().st_size > 2000
    assert heard == ["piper has no model for en-KE.woman; spoken by espeak-ng instead"]
    await speech.render(Say(text="karibu", language="sw-KE"), heard.append)
    assert len(heard) == 1  # that it had no English is no reason to rest
    await speech.close()


async def test_an_engine_that_failed_rests_and_is_asked_again(
    tmp_path: Path, sounds: Sounds, piper: Piper, clock: ManualClock
) -> None:
    speech, heard = speaking(tmp_path, sounds, piper, clock), list[str]()
    await speech.render(Say(text="hello", voice="piper:broken"), heard.append)
    await speech.render(Say(text="karibu", language="sw-KE"), heard.append)
    clock.advance(REST_S)
    await speech.render(Say(text="karibu", language="sw-KE"), heard.append)
    assert len(heard) == 2
    assert "Unable to find voice" in heard[0]
    assert "failed a moment ago" in heard[1]
    await speech.close()


async def test_a_piper_that_is_not_installed_is_told(
    tmp_path: Path, sounds: Sounds, clock: ManualClock
) -> None:
    piper = Piper(sounds, {"sw": tmp_path / "sw.onnx"}, command=(str(tmp_path / "nowhere"),))
    speech, heard = speaking(tmp_path, sounds, piper, clock), list[str]()
    await speech.render(Say(text="karibu", language="sw-KE"), heard.append)
    assert "cannot be started" in heard[0]
    await speech.close()


class Service:
    """A speech service: answers with a tone of 700 Hz, or as `broken` says."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.credentials: list[str | None] = []
        self.broken = ""

    async def speak(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.credentials.append(request.headers.get("Authorization"))
        if self.broken == "slow":
            await asyncio.sleep(1)
        if self.broken == "nonsense":
            return web.json_response({"error": "no"})
        if self.broken:
            return web.Response(status=503)
        made = io.BytesIO()
        with wave.open(made, "wb") as file:
            file.setparams((1, 2, 24000, 0, "NONE", ""))
            tone = 9000 * np.sin(2 * np.pi * 700 * np.arange(24000) / 24000)
            file.writeframes(tone.astype("<i2").tobytes())
        return web.Response(body=made.getvalue(), content_type="audio/wav")


@pytest_asyncio.fixture(loop_scope="module")
async def service() -> AsyncIterator[tuple[Service, str]]:
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/audio/speech", service.speak)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield service, f"http://127.0.0.1:{runner.addresses[0][1]}/v1/audio/speech"
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="module")
async def egress() -> AsyncIterator[EgressClient]:
    async with EgressClient(EgressGuard(allow_private=True)) as client:
        yield client


async def test_a_speech_service_is_asked_in_words_and_heard(
    tmp_path: Path, sounds: Sounds, egress: EgressClient, service: tuple[Service, str], clock: ManualClock
) -> None:
    order = SpeechService(url=service[1], key="s3cret", model="swahili", voices={"sw.woman": "zawadi"})
    speech, heard = speaking(tmp_path, sounds, RemoteSpeech(sounds, egress, order), clock), list[str]()
    path = await speech.render(Say(text="Lipa KES 500", language="sw-KE", rate=1.5), heard.append)
    assert round(pitch_of(path), -1) == 700
    assert json.dumps(service[0].asked[0], sort_keys=True) == json.dumps(
        {
            "input": "Lipa shilingi mia tano",
            "model": "swahili",
            "response_format": "wav",
            "speed": 1.5,
            "voice": "zawadi",
        }
    )
    assert service[0].credentials == ["Bearer s3cret"]
    await speech.render(Say(text="Lipa KES 500", language="sw-KE", rate=1.5), heard.append)
    assert (len(service[0].asked), heard) == (1, [])
    await speech.close()


@pytest.mark.parametrize(
    ("broken", "told"), [("down", "answered 503"), ("slow", "within 0.2 s"), ("nonsense", "neither WAV")]
)
async def test_when_the_service_fails_espeak_speaks(
    tmp_path: Path,
    sounds: Sounds,
    egress: EgressClient,
    service: tuple[Service, str],
    clock: ManualClock,
    broken: str,
    told: str,
) -> None:
    service[0].broken = broken
    engine = RemoteSpeech(sounds, egress, SpeechService(url=service[1]), timeout_s=0.2)
    speech, heard = speaking(tmp_path, sounds, engine, clock), list[str]()
    assert (await speech.render(Say(text="hello there"), heard.append)).stat().st_size > 4000
    assert told in heard[0]
    assert heard[0].endswith("spoken by espeak-ng instead")
    await speech.close()


async def test_a_voice_that_names_espeak_is_spoken_by_it(
    tmp_path: Path, sounds: Sounds, egress: EgressClient, service: tuple[Service, str], clock: ManualClock
) -> None:
    engine = RemoteSpeech(sounds, egress, SpeechService(url=service[1]))
    speech = speaking(tmp_path, sounds, engine, clock)
    await speech.render(Say(text="hello", voice="espeak:m5"))
    assert service[0].asked == []
    await speech.close()


async def test_a_voice_of_an_engine_that_is_not_there_is_told(
    tmp_path: Path, sounds: Sounds, piper: Piper, clock: ManualClock
) -> None:
    speech, heard = speaking(tmp_path, sounds, piper, clock), list[str]()
    await speech.render(Say(text="karibu", language="sw-KE", voice="http:zawadi"), heard.append)
    assert heard == ["there is no engine http here; spoken as woman by piper"]
    await speech.close()
