"""A desk phone that has called hands on whom it talks with: three baresips, the REFER is theirs."""

from pathlib import Path

import pytest

from system.conftest import CALLEE, MakePhone
from system.examples.desk_phone import desk_phone
from system.installation import Customer, Installation
from system.verbs.stage import until_hears

CALLEE_TONE, DESK_TONE, COLLEAGUE_TONE = 1000, 500, 700
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_desk_phone_transfers_whom_it_has_called_to_a_colleague(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    make_phone: MakePhone,
    tmp_path: Path,
) -> None:
    number = "+254207000001"
    callee = await make_phone(CALLEE, sip=trunk_port, tone=CALLEE_TONE)
    desk, _ = await desk_phone(tmp_path, installation, live_customer, number, "desk", tone=DESK_TONE)
    colleague, name = await desk_phone(
        tmp_path, installation, live_customer, number, "colleague", tone=COLLEAGUE_TONE
    )
    try:
        await desk.dial(f"sip:{CALLEE}@127.0.0.1:{installation.sip_port}")
        await callee.until("CALL_ESTABLISHED")
        await until_hears(callee, DESK_TONE)
        await desk.command("transfer", f"sip:{name}@127.0.0.1")
        await colleague.until("CALL_ESTABLISHED")
        await desk.until("CALL_CLOSED")
        await until_hears(callee, COLLEAGUE_TONE)
        await until_hears(colleague, CALLEE_TONE)
        await callee.hang_up()
        await colleague.until("CALL_CLOSED")
        listed = (await installation.api("GET", "/v1/calls?limit=3", live_customer.key))["data"]
        to_colleague, to_callee, root = [
            await installation.call_when(live_customer, one["id"], "completed") for one in listed
        ]
    finally:
        await desk.stop()
        await colleague.stop()
    assert to_callee["parent_call_id"] == to_colleague["parent_call_id"] == root["id"]
    assert to_callee["cost_minor"] == -(-to_callee["billed_seconds"] * 300 // 60)
    assert (root["cost_minor"], to_colleague["cost_minor"]) == (0, 0)
    assert root["total_cost_minor"] == to_callee["cost_minor"]
