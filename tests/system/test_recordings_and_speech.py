"""What calls hear of uploads and engines, what becomes of what they say, and recordings whose node is killed."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from sautikitd.egress.signatures import verify
from system.baresip import sip_port
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.sound import is_speech, power_at, read_wav, write_tone
from transcription.service import HearingService, hearing_service

PHONE_TONE = 1000
PROMPT_TONE = 620
NUMBER = "+254207000001"
pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Place:
    """An installation with a transcription service, one trunk, and a live customer with money and a number."""

    installation: Installation
    customer: Customer
    trunk_port: int
    hearing: HearingService

    async def call(self, receiver: Receiver, **wishes: Any) -> str:
        body = {"from": NUMBER, "to": CALLEE, "webhook_url": f"{receiver.url}/hook", **wishes}
        placed = await self.installation.api("POST", "/v1/calls", self.customer.key, body, expect=201)
        call_id: str = placed["call_id"]
        return call_id

    async def download(self, path: str, to: Path) -> Path:
        headers = {"Authorization": f"Bearer {self.customer.key}"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.installation.url + path, headers=headers) as response,
        ):
            assert response.status == 200
            await asyncio.to_thread(to.write_bytes, await response.read())
        return to

    async def upload(self, file: Path) -> str:
        """The URL to play it by."""
        headers = {"Authorization": f"Bearer {self.customer.key}", "Content-Type": "audio/wav"}
        content = await asyncio.to_thread(file.read_bytes)
        url = f"{self.installation.url}/v1/uploads/audio"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=content, headers=headers) as response,
        ):
            assert response.status == 201, await response.text()
            played_by: str = (await response.json())["upload"]["url"]
        return played_by


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place() -> AsyncIterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="skr-"))
    async with hearing_service() as hearing:
        nobody = hearing.url.replace("transcriptions", "speech")  # it hears, and does not speak
        settings = {"SAUTIKIT_TRANSCRIPTION_URL": hearing.url, "SAUTIKIT_SPEECH_URL": nobody}
        running = Installation(folder / "data", settings)
        await running.start()
        try:
            yield await _furnished(running, hearing)
        finally:
            assert await running.stop() == 0
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _furnished(running: Installation, hearing: HearingService) -> Place:
    port = sip_port()
    await running.command(
        *("trunk", "add", "nairobi", "--host", "127.0.0.1", "--port", str(port), "--transport", "udp")
    )
    listing = running.data / "numbers.csv"
    listing.write_text(f"e164,type,locality,monthly_price_minor\n{NUMBER},local,Nairobi,10000\n")
    await running.command("inventory", "import", str(listing))
    customer = await running.customer("Sauti")
    await running.number(customer, NUMBER)
    return Place(running, customer, port, hearing)


async def test_an_uploaded_prompt_is_heard_and_the_answer_is_written_down(
    place: Place, receiver: Receiver, make_phone: MakePhone, tmp_path: Path
) -> None:
    prompt = tmp_path / "prompt.wav"
    write_tone(prompt, PROMPT_TONE, seconds=2)
    url = await place.upload(prompt)
    phone = await make_phone(CALLEE, sip=place.trunk_port, tone=PHONE_TONE)
    record = {
        "maxLength": 2,
        "timeout": 10,
        "beep": False,
        "transcribe": True,
        "transcribeLanguage": "sw-KE",
        "transcribeCallback": f"{receiver.url}/heard",
    }
    call_id = await place.call(receiver, actions=[{"play": {"url": url}}, {"record": record}])
    await place.installation.call_when(place.customer, call_id, "completed")

    def told() -> bool:
        return any(request.path == "/heard" for request in receiver.requests)

    await receiver.until(told, within_s=30)
    heard, rate = read_wav(phone.heard()[0])
    assert power_at(heard[:, 0], rate, PROMPT_TONE) > 0.9
    callback = next(request for request in receiver.requests if request.path == "/heard")
    signature = callback.headers["X-Sautikit-Signature"]
    verify(callback.body, signature, [place.customer.secret], now=int(time.time()))
    data = msgspec.json.decode(callback.body)["data"]
    assert data["text"] == "habari ya asubuhi"
    path = f"/v1/recordings/{data['recording_id']}/transcription"
    read = await place.installation.api("GET", path, place.customer.key, expect=200)
    assert read["transcription"]["text"] == "habari ya asubuhi"
    assert place.hearing.heard[0].fields["language"] == "sw"
    assert "recording.transcribed" in receiver.events(call_id)


async def test_a_speech_service_that_fails_is_stood_in_for_and_told_of(
    place: Place, receiver: Receiver, make_phone: MakePhone
) -> None:
    phone = await make_phone(CALLEE, sip=place.trunk_port, tone=PHONE_TONE)
    say = {"text": "Salio lako ni KES 1,250. Asante kwa kupiga simu.", "language": "sw-KE"}
    call_id = await place.call(receiver, actions=[{"say": say}])
    await place.installation.call_when(place.customer, call_id, "completed")
    heard, rate = read_wav(phone.heard()[0])
    assert is_speech(heard[:, 0], rate)
    events = await place.installation.api("GET", f"/v1/calls/{call_id}/events?limit=100", place.customer.key)
    warnings = [event["payload"]["text"] for event in events["data"] if event["kind"] == "flow.warning"]
    assert warnings == ["the speech service answered 404; spoken by espeak-ng instead"]


async def test_a_killed_node_leaves_a_recording_that_plays_up_to_the_last_second(
    place: Place, receiver: Receiver, make_phone: MakePhone, tmp_path: Path
) -> None:
    phone = await make_phone(CALLEE, sip=place.trunk_port, tone=PHONE_TONE)
    call_id = await place.call(receiver, actions=[{"pause": {"length": 60}}], record={"channels": "dual"})
    await phone.until("CALL_ESTABLISHED")
    answered = time.monotonic()
    await asyncio.sleep(6)  # what is recorded
    os.kill(min(place.installation.pids("voice")), signal.SIGKILL)
    lived = time.monotonic() - answered

    await receiver.until(lambda: "recording.ready" in receiver.events(call_id), within_s=60)
    saved = await place.download(f"/v1/calls/{call_id}/recording", tmp_path / "left.wav")
    samples, rate = read_wav(saved)
    assert samples.shape[1] == 2
    assert lived - 1.5 < samples.shape[0] / rate < lived + 1
    last_second = samples[-rate:, 0]
    assert power_at(last_second, rate, PHONE_TONE) > 0.9
