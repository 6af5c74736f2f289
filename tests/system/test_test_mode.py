"""Test mode over the built-in carrier: every number behaves as its last digits say."""

from typing import Any

import pytest

from system.installation import Customer, Installation
from system.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _call(installation: Installation, customer: Customer, last: str, **wishes: Any) -> str:
    body = {"from": "+254200000001", "to": f"+25471200{last}", **wishes}
    placed = await installation.api("POST", "/v1/calls", customer.key, body, expect=201)
    call_id: str = placed["call_id"]
    return call_id


@pytest.mark.parametrize(
    ("last", "status", "cause", "sip_code"),
    [
        ("0003", "busy", "user_busy", 486),
        ("0005", "failed", "call_rejected", 603),
        ("0011", "failed", "congestion", 503),
    ],
)
async def test_refusals(
    installation: Installation, test_customer: Customer, last: str, status: str, cause: str, sip_code: int
) -> None:
    call_id = await _call(installation, test_customer, last)
    call = await installation.call_when(test_customer, call_id, status)
    assert (call["hangup_cause"], call["sip_code"], call["cost_minor"]) == (cause, sip_code, 0)


async def test_an_announcement_in_early_media_is_no_answer_and_costs_nothing(
    installation: Installation, test_customer: Customer
) -> None:
    call_id = await _call(installation, test_customer, "0012")
    call = await installation.call_when(test_customer, call_id, "failed", "no_answer")
    assert (call["answered_at"], call["cost_minor"], call["ringing_at"] is not None) == (None, 0, True)


async def test_a_number_that_presses_keys_answers_a_menu(
    installation: Installation, test_customer: Customer, receiver: Receiver
) -> None:
    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        if "Digits" in form:
            return [{"hangup": {}}]
        return [
            {
                "getDigits": {
                    "timeout": 8,
                    "finishOnKey": "#",
                    "nested": [{"say": {"text": "Enter your PIN."}}],
                }
            }
        ]

    receiver.flow = flow
    call_id = await _call(
        installation,
        test_customer,
        "0008",
        voice_callback_url=f"{receiver.url}/voice",
        webhook_url=f"{receiver.url}/hook",
    )
    call = await installation.call_when(test_customer, call_id, "completed")
    assert "1234" in [form.get("Digits") for form in receiver.callbacks()]
    assert call["cost_minor"] == -(-call["billed_seconds"] * 300 // 60)
    await receiver.until(lambda: receiver.events(call_id)[-1:] == ["call.completed"])
    assert receiver.events(call_id) == ["call.started", "call.answered", "call.completed"]


async def test_a_far_end_that_hangs_up_ends_the_call(
    installation: Installation, test_customer: Customer
) -> None:
    call_id = await _call(installation, test_customer, "0010", actions=[{"pause": {"length": 60}}])
    call = await installation.call_when(test_customer, call_id, "completed")
    assert (call["hangup_by"], call["billed_seconds"] in (3, 4)) == ("callee", True)


async def test_a_simulated_caller_rings_and_presses(
    installation: Installation, test_customer: Customer, receiver: Receiver
) -> None:
    number = (await installation.api("GET", "/v1/numbers", test_customer.key))["data"][0]
    routing = {"voice_callback_url": f"{receiver.url}/voice"}
    await installation.api(
        "PATCH", f"/v1/numbers/{number['id']}/routing", test_customer.key, routing, expect=200
    )

    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        if "Digits" in form:
            return [{"hangup": {}}]
        return [{"getDigits": {"numDigits": 2, "timeout": 10}}]

    receiver.flow = flow
    body = {"to": number["e164"], "from": "+254722000111", "script": [{"wait": 1}, {"press": "42"}]}
    rung = await installation.api("POST", "/v1/test/calls", test_customer.key, body, expect=201)
    call = await installation.call_when(test_customer, rung["call_id"], "completed")
    assert (call["direction"], call["from"], call["cost_minor"]) == ("inbound", "+254722000111", 0)
    assert "42" in [form.get("Digits") for form in receiver.callbacks()]
    await installation.api(
        "PATCH",
        f"/v1/numbers/{number['id']}/routing",
        test_customer.key,
        {"voice_callback_url": None},
        expect=200,
    )


async def test_without_callback_and_actions_a_greeting_is_spoken(
    installation: Installation, test_customer: Customer
) -> None:
    call_id = await _call(installation, test_customer, "0001")
    call = await installation.call_when(test_customer, call_id, "completed")
    assert (call["hangup_by"], call["billed_seconds"] > 1) == ("platform", True)


async def test_a_recorded_voice_is_ready_to_download(
    installation: Installation, test_customer: Customer
) -> None:
    call_id = await _call(
        installation, test_customer, "0009", actions=[{"pause": {"length": 4}}], record=True
    )
    await installation.call_when(test_customer, call_id, "completed")
    call = await installation.call_when(test_customer, call_id, "completed")
    assert call["recording"]["channels"] == 1
    assert call["quality"]["codec"] == "PCMU"
