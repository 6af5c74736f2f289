"""The agent's ears and manners on a real call: it greets, answers a turn, is cut short, and hands over."""

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

import ai_agent
from ai_agent import Agent, tone
from system.baresip import sip_port
from system.conftest import MakePhone
from system.examples.conftest import Serve
from system.examples.hearing import spells
from system.examples.served import said
from system.installation import Customer, Installation
from voice_app import Sautikit, Settings

NUMBER = "+254207000002"
CALLER_HZ, ANSWER_HZ = 1000, 800
pytestmark = pytest.mark.asyncio(loop_scope="session")


class Scripted(Agent):
    """Answers each turn with ten seconds of a tone, and is done after the third."""

    def __init__(self, call: dict[str, object]) -> None:
        super().__init__(call)
        self.turns: list[float] = []

    async def answer(self, speech: bytes) -> AsyncIterator[bytes]:
        self.turns.append(len(speech) / 2 / ai_agent.RATE)
        self.done = len(self.turns) == 3
        yield tone(ANSWER_HZ, 0.3 if self.done else 10)


async def test_a_caller_is_answered_and_may_interrupt(
    installation: Installation, live_customer: Customer, trunk_port: int, serve: Serve, make_phone: MakePhone
) -> None:
    agents: list[Scripted] = []

    def agent(call: dict[str, object]) -> Agent:
        agents.append(Scripted(call))
        return agents[-1]

    def make(api: Sautikit, settings: Settings) -> web.Application:
        return ai_agent.serving(api, settings, agent, "")

    served = await serve(make, live_customer, NUMBER)
    phone = await make_phone("+254733333001", sip=sip_port(), tone=CALLER_HZ)
    _says(phone.folder / "says.wav", (1.0, 3.0), (0.6, 2.0), (0.6, 20.0))
    await phone.dial(f"sip:{NUMBER}@127.0.0.1:{installation.sip_port}")
    await phone.until("CALL_CLOSED", within_s=40)

    (talked,) = agents
    assert talked.call["from"] == "+254733333001"
    # Each turn is what he said, and the silence that told that he had ended.
    assert talked.turns == pytest.approx([1.5, 1.1, 1.1], abs=0.3)
    (call,) = (await served.api.request("GET", "/v1/calls?limit=1&direction=inbound"))["data"]
    await installation.call_when(live_customer, call["id"], "completed")
    assert said(await served.story(call["id"])) == ["Goodbye."]
    answers = spells(phone.heard()[0], ANSWER_HZ)
    # The first answer was cut by the second turn, the second by the third, long before their ten seconds.
    assert len(answers) == 3
    assert all(1.0 < one < 3.5 for one in answers[:2]), answers
    assert answers[2] < 0.6


async def test_only_signed_sockets_are_let_in(serve: Serve, live_customer: Customer) -> None:
    served = await serve(ai_agent.make, live_customer, NUMBER)
    assert (await served.ask("GET", "/talk"))[0] == 403


def _says(path: Path, *spells: tuple[float, float]) -> None:
    """What a phone says: after three seconds, a tone of so many seconds and silence of so many, in turn."""
    rate = 8000
    pieces = [np.zeros(3 * rate)]
    for loud_s, quiet_s in spells:
        times = np.arange(int(loud_s * rate)) / rate
        pieces += [np.sin(2 * np.pi * CALLER_HZ * times) * 10_000, np.zeros(int(quiet_s * rate))]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.concatenate(pieces).astype("<i2").tobytes())
