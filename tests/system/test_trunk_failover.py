"""The whole installation with a trunk that is down before one that is well: explained by command, survived by calls."""

from typing import Any

import pytest

from ports import free_ports
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_call_goes_round_a_trunk_that_is_down_and_the_check_says_why(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    (dead_port,) = free_ports(1)
    where = ("--host", "127.0.0.1", "--port", str(dead_port), "--transport", "tcp")
    await installation.command("trunk", "add", "dead", *where, "--priority", "1")
    try:
        with pytest.raises(AssertionError, match="nothing listens on that port"):
            await installation.command("trunk", "check", "dead")
        receiver.flow = lambda _: [{"say": {"text": "Habari."}}]
        phone = await make_phone(CALLEE, sip=trunk_port)
        body: dict[str, Any] = {
            "from": "+254207000001",
            "to": CALLEE,
            "webhook_url": f"{receiver.url}/hook",
            "voice_callback_url": f"{receiver.url}/voice",
        }
        placed = await installation.api("POST", "/v1/calls", live_customer.key, body, expect=201)
        await phone.until("CALL_ESTABLISHED")
        await installation.call_when(live_customer, placed["call_id"], "completed")
        await receiver.until(lambda: "call.completed" in receiver.events(placed["call_id"]))
        assert receiver.events(placed["call_id"]).count("call.started") == 1
    finally:
        await installation.command("trunk", "remove", "dead")
