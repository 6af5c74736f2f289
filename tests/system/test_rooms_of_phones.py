"""A conference of three phones, and a queue with an agent on a phone: baresips on a real installation."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from system.baresip import Baresip, sip_port
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.sound import Samples, power_at, read_wav

TONES = {"+254733111001": 500, "+254733111002": 900, "+254733111003": 1300}
AGENT_TONE = 1000
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _number(installation: Installation, customer: Customer, receiver: Receiver) -> str:
    number = (await installation.api("GET", "/v1/numbers", customer.key))["data"][-1]
    routing = {"voice_callback_url": f"{receiver.url}/voice", "events_url": f"{receiver.url}/hook"}
    await installation.api("PATCH", f"/v1/numbers/{number['id']}/routing", customer.key, routing, expect=200)
    e164: str = number["e164"]
    return e164


async def _call_in(installation: Installation, number: str, make_phone: MakePhone, caller: str) -> Baresip:
    phone = await make_phone(caller, sip=sip_port(), tone=TONES[caller])
    await phone.dial(f"sip:{number}@127.0.0.1:{installation.sip_port}")
    await phone.until("CALL_ESTABLISHED")
    return phone


async def _until(installation: Installation, customer: Customer, path: str, count: int) -> list[Any]:
    async with asyncio.timeout(20):
        while len(found := (await installation.api("GET", path, customer.key)).get("data", [])) != count:
            await asyncio.sleep(0.1)
    rows: list[Any] = found
    return rows


def _shares(phone: Baresip, tones: list[int]) -> list[float]:
    """Of the last second and a half that a phone heard, how much was each tone."""
    heard, rate = read_wav(phone.heard()[0])
    return [power_at(heard[-2 * rate : -rate // 2, 0], rate, tone) for tone in tones]


async def test_three_phones_confer_and_the_record_has_all_of_them(
    installation: Installation,
    live_customer: Customer,
    receiver: Receiver,
    make_phone: MakePhone,
    tmp_path: Path,
) -> None:
    receiver.flow = lambda form: [
        {
            "conference": {
                "name": "bodi",
                "record": True,
                "statusEventsCallbackUrl": f"{receiver.url}/hook",
                "statusEvents": "start end join",
            }
        }
    ]
    number = await _number(installation, live_customer, receiver)
    phones = [await _call_in(installation, number, make_phone, caller) for caller in TONES]
    participants = "/v1/conferences/bodi/participants"
    present = await _until(installation, live_customer, participants, 3)
    await asyncio.sleep(3)  # they talk for a while, as people do
    ended = await installation.api("POST", "/v1/conferences/bodi/end", live_customer.key, {}, expect=200)
    for phone in phones:
        await phone.until("CALL_CLOSED")
    calls = [await installation.call_when(live_customer, one["call_id"], "completed") for one in present]
    conference = ended["conference"]
    await receiver.until(lambda: "conference.ended" in receiver.events())
    assert [call["cost_minor"] for call in calls] == [0, 0, 0]
    assert (conference["status"], conference["end_reason"]) == ("ended", "ended_by_api")
    told = [kind for kind in receiver.events() if kind.startswith("conference.")]
    assert sorted(told) == [
        "conference.ended",
        *["conference.participant_joined"] * 3,
        "conference.started",
    ]
    tones = list(TONES.values())
    for phone, own in zip(phones, tones, strict=True):
        shares = dict(zip(tones, _shares(phone, tones), strict=True))
        assert shares.pop(own) < 0.02
        assert min(shares.values()) > 0.3
    recording = await _ready(installation, live_customer, conference["recording_id"])
    assert recording["channels"] == 1
    assert recording["duration_seconds"] >= 2
    said, rate = await _sound_of(installation, live_customer, ended["conference"]["recording_id"], tmp_path)
    together = [power_at(said[-2 * rate : -rate // 2, 0], rate, tone) for tone in tones]
    assert min(together) > 0.2
    assert sum(together) > 0.9


async def test_an_agent_rung_by_the_api_takes_the_caller_who_waits(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    receiver.flow = lambda form: (
        [] if form.get("queueResult") else [{"enqueue": {"name": "msaada", "action": "/voice"}}]
    )
    number = await _number(installation, live_customer, receiver)
    caller = await _call_in(installation, number, make_phone, next(iter(TONES)))
    (waiting,) = await _until(installation, live_customer, "/v1/queues/msaada/members", 1)
    agent = await make_phone(CALLEE, sip=trunk_port, tone=AGENT_TONE)
    wish = {"from": number, "to": CALLEE, "actions": [{"dequeue": {"name": "msaada"}}]}
    placed = await installation.api("POST", "/v1/calls", live_customer.key, wish)
    await agent.until("CALL_ESTABLISHED")
    await asyncio.sleep(3)  # they talk for a while, as people do
    await agent.hang_up()
    await caller.until("CALL_CLOSED")
    leg = await installation.call_when(live_customer, placed["call_id"], "completed")
    call = await installation.call_when(live_customer, waiting["call_id"], "completed")
    assert (waiting["position"], waiting["status"]) == (1, "waiting")
    (left,) = [form for form in receiver.callbacks() if form.get("queueResult")]
    assert (left["queueResult"], left["callSessionState"]) == ("bridged", "QueueLeft")
    assert left["dialCallId"] == placed["call_id"]
    assert leg["cost_minor"] == -(-leg["billed_seconds"] * 300 // 60)
    assert call["cost_minor"] == 0
    assert _shares(agent, [500])[0] > 0.9
    assert np.isclose(_shares(caller, [AGENT_TONE])[0], 1, atol=0.2)


async def _sound_of(
    installation: Installation, customer: Customer, recording_id: str, folder: Path
) -> tuple[Samples, int]:
    headers = {"Authorization": f"Bearer {customer.key}"}
    address = f"{installation.url}/v1/recordings/{recording_id}/media"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as response:
        content = await response.read()
    saved = folder / "room.wav"
    await asyncio.to_thread(saved.write_bytes, content)
    return read_wav(saved)


async def _ready(installation: Installation, customer: Customer, recording_id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found = await installation.api("GET", f"/v1/recordings/{recording_id}", customer.key)
            if found["recording"]["status"] == "ready":
                recording: dict[str, Any] = found["recording"]
                return recording
            await asyncio.sleep(0.1)
