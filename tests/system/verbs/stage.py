"""A stage for one flow: baresips as the far ends of a real installation, and what they have heard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from system.baresip import Baresip, sip_port
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.sound import RATE, Samples, power_at, read_growing, read_wav, write_tone

NUMBER, SECOND_NUMBER = "+254207000001", "+254207000002"
CALLER, CALLER_TONE, CALLEE_TONE = "+254733111222", 440, 1000
LOUD = 0.02

Action = dict[str, Any]


@dataclass
class Stage:
    installation: Installation
    customer: Customer
    receiver: Receiver
    make_phone: MakePhone
    trunk_port: int
    folder: Path

    async def callee(self, *, answer: bool = True) -> Baresip:
        """The far end of the trunk."""
        return await self.make_phone(CALLEE, sip=self.trunk_port, tone=CALLEE_TONE, answer=answer)

    async def place(self, *actions: Action, **wishes: Any) -> str:
        """A call to the far end of the trunk, with these actions; its id."""
        body = {"from": NUMBER, "to": CALLEE, **({"actions": list(actions)} if actions else {}), **wishes}
        placed = await self.installation.api("POST", "/v1/calls", self.customer.key, body, expect=201)
        call_id: str = placed["call_id"]
        return call_id

    async def route(self, flow: Callable[[dict[str, str]], list[Action]]) -> None:
        """What callers of the number get, by the form of the voice callback."""
        self.receiver.flow = flow
        numbers = (await self.installation.api("GET", "/v1/numbers", self.customer.key))["data"]
        (number_id,) = [one["id"] for one in numbers if one["e164"] == NUMBER]
        routing = {"voice_callback_url": f"{self.receiver.url}/voice"}
        path = f"/v1/numbers/{number_id}/routing"
        await self.installation.api("PATCH", path, self.customer.key, routing, expect=200)

    async def call_in(self, caller: str = CALLER, tone: int = CALLER_TONE) -> Baresip:
        """A phone that is calling the number; not answered yet."""
        phone = await self.make_phone(caller, sip=sip_port(), tone=tone)
        await phone.dial(f"sip:{NUMBER}@127.0.0.1:{self.installation.sip_port}")
        return phone

    async def over(self, call_id: str) -> dict[str, Any]:
        return await self.installation.call_when(self.customer, call_id, "completed", within_s=40)

    async def recording(self, recording_id: str) -> tuple[Samples, Samples]:
        """Both channels of a recording that is ready; of a mono one, the same twice."""
        saved = self.folder / f"{recording_id}.wav"
        url = f"{self.installation.url}/v1/recordings/{recording_id}/media"
        headers = {"Authorization": f"Bearer {self.customer.key}"}
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
            assert answer.status == 200  # followed from the 302
            saved.write_bytes(await answer.read())
        samples, rate = read_wav(saved)
        assert rate == RATE
        return samples[:, 0], samples[:, -1]

    async def ready(self, call_id: str) -> dict[str, Any]:
        """The newest recording of a call, as soon as it can be fetched."""
        path = f"/v1/calls/{call_id}/recordings"
        async with asyncio.timeout(20):
            while True:
                rows = (await self.installation.api("GET", path, self.customer.key))["data"]
                if rows and rows[0]["status"] == "ready":
                    newest: dict[str, Any] = rows[0]
                    return newest
                await asyncio.sleep(0.1)

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        path = f"/v1/calls/{call_id}/events?limit=100"
        listed: list[dict[str, Any]] = (await self.installation.api("GET", path, self.customer.key))["data"]
        return listed

    def tone_file(self, name: str, hertz: float, seconds: float) -> str:
        """The URL of a sound of one frequency."""
        path = self.folder / f"{name}.wav"
        write_tone(path, hertz, seconds=seconds)
        self.receiver.files[f"/{name}.wav"] = path.read_bytes()
        return f"{self.receiver.url}/{name}.wav"


def heard(phone: Baresip, call: int = 0) -> Samples:
    """All that a phone has heard so far in its nth call, at 8 kHz."""
    files = phone.heard()
    if len(files) <= call:
        return np.zeros(0)
    return read_growing(files[call])


async def until_hears(phone: Baresip, hertz: float, *, call: int = 0) -> None:
    """Waits until the phone's last half second was that tone."""
    async with asyncio.timeout(20):
        while True:
            last = heard(phone, call)[-RATE // 2 :]
            if last.size == RATE // 2 and loud(last) and power_at(last, RATE, hertz) > 0.9:
                return
            await asyncio.sleep(0.1)


async def until_quiet(phone: Baresip) -> None:
    """Waits until the phone has heard nothing for half a second."""
    async with asyncio.timeout(20):
        while loud(heard(phone)[-RATE // 2 :]):
            await asyncio.sleep(0.1)


def share(phone: Baresip, hertz: float, *, seconds: float = 1.0) -> float:
    """How much of what a phone heard last was that tone."""
    return power_at(heard(phone)[-int(seconds * RATE) :], RATE, hertz)


def loud(samples: Samples) -> bool:
    return float(np.sqrt((samples**2).mean())) > LOUD


def sounds(samples: Samples, *, apart: float) -> list[tuple[float, float]]:
    """Where there was something to hear: from and to in seconds, with silences of at least `apart` between."""
    size = RATE // 50
    frames = samples[: samples.size // size * size].reshape(-1, size)
    found: list[tuple[float, float]] = []
    for index in np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > LOUD):
        at = float(index) / 50
        if found and at - found[-1][1] < apart:
            found[-1] = found[-1][0], at + 0.02
        else:
            found.append((at, at + 0.02))
    return found


def piece(samples: Samples, span: tuple[float, float]) -> Samples:
    return samples[int(span[0] * RATE) : int(span[1] * RATE)]


def tones_in(samples: Samples, hertz: float, *, least: float = 0.6) -> int:
    """How many stretches of sound were mostly that tone."""
    return sum(power_at(piece(samples, span), RATE, hertz) > least for span in sounds(samples, apart=0.15))


def moments_of(samples: Samples, hertz: float, *, least: float = 0.3) -> int:
    """How many tenths of a second were in good part that tone, whatever was heard with it."""
    tenth = RATE // 10
    tenths = (samples[at : at + tenth] for at in range(0, samples.size - tenth, tenth // 2))
    return sum(loud(one) and power_at(one, RATE, hertz) > least for one in tenths)


def pitch(samples: Samples) -> float:
    """The median pitch of a voice in Hz, by autocorrelation of its loud frames."""
    found = []
    for start in range(0, samples.size - 400, 160):
        frame = samples[start : start + 400]
        if loud(frame):
            curve = np.correlate(frame, frame, "full")[399:]
            lag = int(np.argmax(curve[RATE // 400 : RATE // 60])) + RATE // 400
            if curve[lag] > 0.5 * curve[0]:
                found.append(RATE / lag)
    return float(np.median(found))
