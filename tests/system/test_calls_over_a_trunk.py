"""Real calls, both ways, with baresip as the carrier: heard, recorded, charged and told."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sautikitd.egress.signatures import verify
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.sound import is_speech, power_at, read_wav, write_tone

PHONE_TONE = 1000
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _place(installation: Installation, customer: Customer, receiver: Receiver, **wishes: Any) -> str:
    body = {
        "from": "+254207000001",
        "to": CALLEE,
        "webhook_url": f"{receiver.url}/hook",
        "voice_callback_url": f"{receiver.url}/voice",
        **wishes,
    }
    placed = await installation.api("POST", "/v1/calls", customer.key, body, expect=201)
    call_id: str = placed["call_id"]
    return call_id


async def _balance(installation: Installation, customer: Customer) -> dict[str, int]:
    balance: dict[str, int] = await installation.api("GET", "/v1/wallet/balance", customer.key)
    return balance


async def test_the_far_end_hears_us_and_presses_keys_and_the_wallet_pays_for_the_seconds(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        if form.get("Digits"):
            return [{"say": {"text": "Asante sana, kwaheri.", "language": "sw-KE"}}]
        menu = {"say": {"text": "Karibu. For the balance of your account press one, for all else press two."}}
        return [{"getDigits": {"numDigits": 2, "timeout": 8, "nested": [menu]}}]

    receiver.flow = flow
    phone = await make_phone(CALLEE, sip=trunk_port, tone=PHONE_TONE)
    before = await _balance(installation, live_customer)

    call_id = await _place(installation, live_customer, receiver)
    await phone.until("CALL_ESTABLISHED")
    await asyncio.sleep(2)  # the far end listens for a while, as people do
    await phone.press("12")
    call = await installation.call_when(live_customer, call_id, "completed")

    digits = [form for form in receiver.callbacks() if form.get("Digits")]
    assert [form["Digits"] for form in digits][:1] == ["12"]
    heard, rate = read_wav(phone.heard()[0])
    assert is_speech(heard[:, 0], rate)
    assert call["cost_minor"] == -(-call["billed_seconds"] * 300 // 60)
    after = await _balance(installation, live_customer)
    assert before["balance_minor"] - after["balance_minor"] == call["cost_minor"]
    assert after["held_minor"] == 0
    await receiver.until(lambda: "call.completed" in receiver.events(call_id))
    assert receiver.events(call_id)[0] == "call.started"
    assert receiver.events(call_id)[-1] == "call.completed"
    for hook in (request for request in receiver.requests if request.path == "/hook"):
        verify(hook.body, hook.headers["X-Sautikit-Signature"], [live_customer.secret], now=int(time.time()))


async def test_a_recording_of_ours_contains_what_the_far_end_played(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
    tmp_path: Path,
) -> None:
    receiver.flow = lambda _: [{"record": {"maxLength": 3, "timeout": 10, "beep": False}}, {"hangup": {}}]
    await make_phone(CALLEE, sip=trunk_port, tone=PHONE_TONE)

    call_id = await _place(installation, live_customer, receiver)
    await installation.call_when(live_customer, call_id, "completed")
    await receiver.until(lambda: "recording.ready" in receiver.events(call_id))

    headers = {"Authorization": f"Bearer {live_customer.key}"}
    url = f"{installation.url}/v1/calls/{call_id}/recording"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.status == 200  # followed from the 302
        content = await response.read()
    saved = tmp_path / "recording.wav"
    await asyncio.to_thread(saved.write_bytes, content)
    samples, rate = read_wav(saved)
    assert rate == 8000
    assert 2.5 < samples.shape[0] / rate < 3.5
    assert power_at(samples[:, 0], rate, PHONE_TONE) > 0.9


async def test_a_caller_from_the_trunk_reaches_the_numbers_callback_and_hears_its_reply(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    number = (await installation.api("GET", "/v1/numbers", live_customer.key))["data"][-1]
    await installation.api(
        "PATCH",
        f"/v1/numbers/{number['id']}/routing",
        live_customer.key,
        {"voice_callback_url": f"{receiver.url}/voice", "events_url": f"{receiver.url}/hook"},
        expect=200,
    )

    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        if form.get("Digits"):
            return [{"play": {"tone": "dial"}}] if form["Digits"] == "0" else [{"hangup": {}}]
        return [
            {
                "getDigits": {
                    "numDigits": 1,
                    "nested": [{"say": {"text": "You have reached the shop. Press a key."}}],
                }
            }
        ]

    receiver.flow = flow
    phone = await make_phone("+254733111222", sip=trunk_port, tone=440)
    await phone.dial(f"sip:{number['e164']}@127.0.0.1:{installation.sip_port}")
    await phone.until("CALL_ESTABLISHED")
    await asyncio.sleep(2)
    await phone.press("7")
    await phone.until("CALL_CLOSED")

    first = receiver.callbacks()[0]
    assert (first["direction"], first["callSessionState"], first["isActive"]) == ("inbound", "Ringing", "1")
    assert first["callerNumber"] == "+254733111222"
    call = await installation.call_when(live_customer, first["callId"], "completed")
    assert (call["direction"], call["cost_minor"]) == ("inbound", 0)
    heard, rate = read_wav(phone.heard()[0])
    assert is_speech(heard[:, 0], rate)
    await receiver.until(lambda: receiver.events(first["callId"])[-1:] == ["call.completed"])
    assert [form["callSessionState"] for form in receiver.callbacks()][-1] in ("Completed", "DigitsCollected")


async def test_a_call_nobody_takes_costs_nothing(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    await make_phone(CALLEE, sip=trunk_port, answer=False)
    before = await _balance(installation, live_customer)

    call_id = await _place(installation, live_customer, receiver, timeout_seconds=5)
    call = await installation.call_when(live_customer, call_id, "no_answer")

    assert (call["cost_minor"], call["ringing_at"] is not None) == (0, True)
    assert (call["failure_code"], call["hangup_by"]) == ("no_answer", "platform")  # whose patience ran out
    assert await _balance(installation, live_customer) == before
    await receiver.until(lambda: "call.failed" in receiver.events(call_id))
    assert receiver.events(call_id) == ["call.started", "call.ringing", "call.failed"]


async def test_hanging_up_by_the_api_ends_the_far_end_too(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    receiver.flow = lambda _: [{"pause": {"length": 60}}]
    phone = await make_phone(CALLEE, sip=trunk_port)
    call_id = await _place(installation, live_customer, receiver)
    await phone.until("CALL_ESTABLISHED")
    await installation.call_when(live_customer, call_id, "answered")

    await installation.api("POST", f"/v1/calls/{call_id}/hangup", live_customer.key, expect=200)

    await phone.until("CALL_CLOSED", within_s=5)
    call = await installation.call_when(live_customer, call_id, "completed")
    assert call["hangup_by"] == "platform"


async def test_the_first_of_several_to_answer_wins(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    receiver.flow = lambda _: [{"say": {"text": "You were the first to answer, thank you very much."}}]
    await make_phone(CALLEE, sip=trunk_port)
    nobody = "+254712000556"  # no such user at the far end: 404

    call_id = await _place(installation, live_customer, receiver, to=[nobody, CALLEE])
    call = await installation.call_when(live_customer, call_id, "completed")

    assert call["to"] == CALLEE
    legs = [
        (await installation.api("GET", f"/v1/calls/{leg}", live_customer.key))["call"] for leg in call["legs"]
    ]
    assert {leg["to"]: leg["status"] for leg in legs} == {nobody: "failed", CALLEE: "completed"}
    assert call["total_cost_minor"] == sum(leg["cost_minor"] for leg in legs) > 0 == call["cost_minor"]


async def test_a_sound_file_by_url_is_played(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
    tmp_path: Path,
) -> None:
    prompt = tmp_path / "prompt.wav"
    write_tone(prompt, 620, seconds=2)
    receiver.files["/prompt.wav"] = await asyncio.to_thread(prompt.read_bytes)
    receiver.flow = lambda _: [{"play": {"url": f"{receiver.url}/prompt.wav"}}]
    phone = await make_phone(CALLEE, sip=trunk_port)
    call_id = await _place(installation, live_customer, receiver)
    await installation.call_when(live_customer, call_id, "completed")
    heard, rate = read_wav(phone.heard()[0])
    assert power_at(heard[:, 0], rate, 620) > 0.9


async def test_a_suspended_workspace_is_hung_up_and_can_change_nothing(
    installation: Installation, trunk_port: int, receiver: Receiver, make_phone: MakePhone, tmp_path: Path
) -> None:
    listing = tmp_path / "numbers.csv"
    listing.write_text("e164,type,locality,monthly_price_minor\n+254207000009,local,Nairobi,10000\n")
    await installation.command("inventory", "import", str(listing))
    customer = await installation.customer("Imesimamishwa")
    await installation.number(customer, "+254207000009")
    receiver.flow = lambda _: [{"pause": {"length": 60}}]
    phone = await make_phone(CALLEE, sip=trunk_port)
    body = {"from": "+254207000009", "to": CALLEE, "actions": [{"pause": {"length": 60}}]}
    placed = await installation.api("POST", "/v1/calls", customer.key, body, expect=201)
    await phone.until("CALL_ESTABLISHED")

    await installation.command("workspace", "suspend", customer.workspace_id, "--reason", "a test")

    await phone.until("CALL_CLOSED", within_s=5)
    call = await installation.call_when(customer, placed["call_id"], "completed")
    assert call["hangup_cause"] == "suspended"
    refused = await installation.api("POST", "/v1/calls", customer.key, body, expect=403)
    assert refused["error"]["code"] == "account.suspended"


async def test_digits_that_we_send_arrive_at_the_far_end(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    receiver.flow = lambda _: [{"pause": {"length": 1}}]
    phone = await make_phone(CALLEE, sip=trunk_port)
    call_id = await _place(installation, live_customer, receiver, send_digits="1590#")
    await installation.call_when(live_customer, call_id, "completed")
    await phone.until("CALL_CLOSED")
    pressed = [event["param"] for event in phone.events if event.get("type") == "CALL_DTMF_START"]
    assert "".join(pressed) == "1590#"
