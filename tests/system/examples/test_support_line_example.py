"""The support line: a softphone on the desk, a queue that an agent's telephone empties, and a supervisor."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from support_line import NOTES_HZ, SupportLine, serving
from system.baresip import Baresip, sip_port
from system.conftest import CALLEE, MakePhone
from system.examples.conftest import Make, Serve
from system.examples.desk_phone import desk_phone
from system.examples.hearing import spells
from system.examples.served import Served, said
from system.installation import Customer, Installation
from system.sound import power_at, read_wav
from voice_app import Sautikit, Settings

NUMBER = "+254207000003"
CALLER_TONE, AGENT_TONE, SUPERVISOR_TONE = 500, 900, 1700
pytestmark = pytest.mark.asyncio(loop_scope="session")


def _line(desk: str) -> Make:
    def make(api: Sautikit, settings: Settings) -> web.Application:
        return serving(api, SupportLine(api, settings, desk=desk, agents=[CALLEE]))

    return make


async def _caller(installation: Installation, make_phone: MakePhone, number: str) -> Baresip:
    phone = await make_phone(number, sip=sip_port(), tone=CALLER_TONE)
    await phone.dial(f"sip:{NUMBER}@127.0.0.1:{installation.sip_port}")
    await phone.until("CALL_ESTABLISHED")
    return phone


async def _call_of(line: Served, caller: str) -> dict[str, Any]:
    calls = (await line.api.request("GET", "/v1/calls?limit=5&direction=inbound"))["data"]
    call: dict[str, Any] = next(one for one in calls if one["from"] == caller)
    return call


async def test_the_desk_answers_is_recorded_and_a_supervisor_whispers(
    installation: Installation, live_customer: Customer, serve: Serve, make_phone: MakePhone, tmp_path: Path
) -> None:
    agent, user = await desk_phone(tmp_path, installation, live_customer, NUMBER, "desk", tone=AGENT_TONE)
    line = await serve(_line(user), live_customer, NUMBER)
    boss, boss_user = await desk_phone(
        tmp_path, installation, live_customer, NUMBER, "boss", tone=SUPERVISOR_TONE
    )
    try:
        caller = await _caller(installation, make_phone, "+254733444001")
        await agent.until("CALL_ESTABLISHED")
        call = await _call_of(line, "+254733444001")
        wish = {
            "call_id": call["id"],
            "mode": "whisper",
            "supervisor": {"type": "client", "identity": boss_user},
        }
        assert (await line.ask("POST", "/supervise", wish))[0] == 201
        await boss.until("CALL_ESTABLISHED")
        await asyncio.sleep(3)  # they talk
        await agent.hang_up()
        await caller.until("CALL_CLOSED")
        await installation.call_when(live_customer, call["id"], "completed")
        assert said(await line.story(call["id"])) == ["Karibu. This call is recorded.", "Goodbye."]
        assert max(spells(caller.heard()[0], AGENT_TONE), default=0) > 2
        assert not spells(caller.heard()[0], SUPERVISOR_TONE)
        assert _part(agent, SUPERVISOR_TONE) > 0.2 < _part(agent, CALLER_TONE)
        assert _part(boss, AGENT_TONE) > 0.2 < _part(boss, CALLER_TONE)
        left, right = await _recording(line, call["id"], tmp_path)
        assert left > 0.8
        assert right > 0.8
    finally:
        await agent.stop()
        await boss.stop()


async def test_nobody_at_the_desk_so_the_caller_waits_with_music_until_an_agents_telephone_takes_him(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    serve: Serve,
    make_phone: MakePhone,
) -> None:
    line = await serve(_line(""), live_customer, NUMBER)
    agent = await make_phone(CALLEE, sip=trunk_port, tone=AGENT_TONE, answer=False)
    caller = await _caller(installation, make_phone, "+254733444002")
    (waiting,) = await line.until_there("/v1/queues/support/members", 1)
    await agent.until("CALL_INCOMING")
    await asyncio.sleep(9)  # he hears where he stands, and music
    await agent.command("accept")
    await line.until(waiting["call_id"], lambda _: bool(agent.heard()))
    await asyncio.sleep(5)  # "A caller is waiting", and they talk
    await agent.hang_up()
    await caller.until("CALL_CLOSED")
    heard = caller.heard()[0]
    assert any(0.25 < one < 0.65 for note in NOTES_HZ for one in spells(heard, note))
    assert max(spells(heard, AGENT_TONE), default=0) > 1.5
    assert max(spells(agent.heard()[0], CALLER_TONE), default=0) > 1.5
    await installation.call_when(live_customer, waiting["call_id"], "completed")
    story = await line.story(waiting["call_id"])
    assert said(story) == ["Karibu. This call is recorded.", "Goodbye."]
    (leg,) = (await line.api.request("GET", "/v1/calls?limit=1&direction=outbound"))["data"]
    taken = await installation.call_when(live_customer, leg["id"], "completed")
    assert taken["recording"]["channels"] == 2


def _part(phone: Baresip, hertz: float) -> float:
    heard, rate = read_wav(phone.heard()[0])
    return max(
        power_at(heard[at : at + rate // 2, 0], rate, hertz)
        for at in range(0, heard.shape[0] - rate // 2, rate // 4)
    )


async def _recording(line: Served, call_id: str, folder: Path) -> tuple[float, float]:
    """Of the channels of a conversation's recording, how much is the caller's and the agent's tone."""
    (leg_id,) = [
        one["id"] for one in (await line.api.request("GET", f"/v1/calls/{call_id}/recordings"))["data"]
    ]
    async with asyncio.timeout(20):
        while (await line.api.request("GET", f"/v1/recordings/{leg_id}"))["recording"]["status"] != "ready":
            await asyncio.sleep(0.1)
    url = f"{line.api._url}/v1/calls/{call_id}/recording"
    async with aiohttp.ClientSession(headers=line.api._headers) as http, http.get(url) as answer:
        content = await answer.read()
    saved = folder / "conversation.wav"
    await asyncio.to_thread(saved.write_bytes, content)
    samples, rate = read_wav(saved)
    return power_at(samples[:, 0], rate, CALLER_TONE), power_at(samples[:, 1], rate, AGENT_TONE)
