"""Random flows of all verbs on real calls over the simulated carrier: every call comes to an end, and none breaks."""

import asyncio
import random
from typing import Any

import pytest

from system.installation import Customer, Installation
from system.receiver import Receiver

CALLS = 10
TERMINAL = ("completed", "failed", "busy", "no_answer", "canceled")
LONGEST_S = 10  # of a call; a conference of one would last for ever
FAR_ENDS = ("0001", "0007", "0008", "0009", "0010", "0021")
pytestmark = pytest.mark.asyncio(loop_scope="session")

ACTIONS: list[dict[str, Any]] = [
    {"say": {"text": "Habari."}},
    {"play": {"tone": "beep", "loop": 2}},
    {"play": {"digits": "12w#"}},
    {"play": {"url": "http://127.0.0.1:9/none.wav"}},
    {"getDigits": {"timeout": 1, "numDigits": 1, "nested": [{"say": {"text": "Press one."}}]}},
    {"dial": {"numbers": ["+254712000003", "+254712000010"], "timeout": 5, "whisper": [{"play": {"tone": "beep"}}]}},
    {"dial": {"client": "nobody"}},
    {"dial": {"sip": "sip:asha@192.0.2.1"}},
    {"record": {"maxLength": 1, "trimSilence": True}},
    {"redirect": {"url": "/voice"}},
    {"redirect": {"url": "/nowhere.txt"}},
    {"answer": {}},
    {"ring": {"length": 1}},
    {"reject": {}},
    {"pause": {"length": 1}},
    {"stream": {"url": "ws://127.0.0.1:9/talk"}},
    {"stream": {"url": "ws://127.0.0.1:9/talk", "connect": False, "protocol": "twilio"}},
    {"stopStream": {}},
    {"conference": {"name": "odd", "beep": True, "record": True}},
    {"conference": {"name": "odd", "endOnExit": True, "collectDigits": True, "numDigits": 1, "waitUrl": ""}},
    {"enqueue": {"name": "odd", "maxWait": 1, "action": "/voice"}},
    {"dequeue": {"name": "odd", "maxWait": 1}},
    {"transfer": {"to": "+254712000003"}},
    {"transfer": {"to": "+254712000021", "mode": "attended", "timeout": 5}},
    {"hangup": {}},
]  # fmt: skip
ELEMENTS = [
    "<Say>Habari</Say>",
    '<Gather timeout="1"><Say>Press</Say></Gather>',
    '<Dial timeout="5">+254712000003</Dial>',
    '<Dial><Conference waitUrl="">odd</Conference></Dial>',
    '<Pause length="1"/>',
    "<Enqueue>odd</Enqueue>",
    '<Connect><Stream url="ws://127.0.0.1:9/talk"/></Connect>',
    '<Record maxLength="1"/>',
    "<Bogus/>",
]


async def test_every_call_with_a_random_flow_ends(
    installation: Installation, test_customer: Customer, receiver: Receiver
) -> None:
    chance = random.Random(20261124)
    for at in range(CALLS):
        elements = "".join(chance.choices(ELEMENTS, k=3))
        receiver.files[f"/flow-{at}.xml"] = f"<Response>{elements}</Response>".encode()
    receiver.flow = lambda _: chance.choices(ACTIONS, k=3)

    async def place(at: int) -> dict[str, Any]:
        wish: dict[str, Any] = {
            "from": "+254200000001",
            "to": f"+25471200{chance.choice(FAR_ENDS)}",
            "max_duration_seconds": LONGEST_S,
            "voice_callback_url": f"{receiver.url}/voice" if at % 2 else f"{receiver.url}/flow-{at}.xml",
        }
        if at % 4 == 1:
            wish["actions"] = chance.choices(ACTIONS, k=5)
        placed = await installation.api("POST", "/v1/calls", test_customer.key, wish, expect=201)
        return await installation.call_when(test_customer, placed["call_id"], *TERMINAL, within_s=60)

    calls = await asyncio.gather(*(place(at) for at in range(CALLS)))
    kinds = [event["kind"] for call in calls for event in call["events"]]
    assert "flow.verb_ended" in kinds
    assert not [call for call in calls if call["failure_code"] in ("node_lost", "internal_error")]
    assert all(call["duration_seconds"] <= LONGEST_S + 2 for call in calls)
