"""One phone connected to another: two baresips, a trunk between them and us, and the bill."""

import asyncio
from typing import Any

import pytest

from system.baresip import sip_port
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.sound import power_at, read_wav

CALLER_TONE, CALLEE_TONE = 440, 1000
CALLER = "+254733111222"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _number(installation: Installation, customer: Customer, receiver: Receiver) -> str:
    number = (await installation.api("GET", "/v1/numbers", customer.key))["data"][-1]
    await installation.api(
        "PATCH",
        f"/v1/numbers/{number['id']}/routing",
        customer.key,
        {"voice_callback_url": f"{receiver.url}/voice", "events_url": f"{receiver.url}/hook"},
        expect=200,
    )
    e164: str = number["e164"]
    return e164


@pytest.mark.parametrize("caller_hangs_up", [True, False])
async def test_two_phones_hear_each_other_and_either_may_hang_up(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
    caller_hangs_up: bool,
) -> None:
    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        if form.get("callSessionState") == "DialCompleted":
            return [{"hangup": {}}]
        return [{"dial": {"number": CALLEE, "action": "/voice"}}]

    receiver.flow = flow
    number = await _number(installation, live_customer, receiver)
    callee = await make_phone(CALLEE, sip=trunk_port, tone=CALLEE_TONE)
    caller = await make_phone(CALLER, sip=sip_port(), tone=CALLER_TONE)

    await caller.dial(f"sip:{number}@127.0.0.1:{installation.sip_port}")
    await callee.until("CALL_ESTABLISHED")
    await caller.until("CALL_ESTABLISHED")
    await asyncio.sleep(2)  # they talk for a while, as people do
    await (caller if caller_hangs_up else callee).hang_up()
    await callee.until("CALL_CLOSED")
    await caller.until("CALL_CLOSED")

    call_id = receiver.callbacks()[0]["callId"]
    call = await installation.call_when(live_customer, call_id, "completed")
    (leg_id,) = call["legs"]
    leg = await installation.call_when(live_customer, leg_id, "completed")
    assert (leg["parent_call_id"], leg["to"], leg["hangup_by"]) == (
        call_id,
        CALLEE,
        "caller" if caller_hangs_up else "callee",
    )
    assert leg["cost_minor"] == -(-leg["billed_seconds"] * 300 // 60)
    assert (call["cost_minor"], call["total_cost_minor"]) == (0, leg["cost_minor"])
    for phone, tone in ((callee, CALLER_TONE), (caller, CALLEE_TONE)):
        heard, rate = read_wav(phone.heard()[0])
        assert power_at(heard[:, 0], rate, tone) > 0.9
    if not caller_hangs_up:
        (result,) = [form for form in receiver.callbacks() if form["callSessionState"] == "DialCompleted"]
        assert (result["dialStatus"], result["dialCallId"]) == ("completed", leg_id)
