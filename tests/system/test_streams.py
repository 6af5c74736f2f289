"""A stream on a real call over a trunk, baresip at one end and a WebSocket server at the other; and a voicemail."""

import pytest

from node.exchange import holds_tone
from sautikitd.egress.signatures import verify
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.sound import read_wav
from voice.media.rtp_peer import level, sine
from voice.streams.bot import Bot

PHONE_TONE, BOT_TONE, AFTERWARDS = 1000, 600, 425
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_phone_and_a_server_hear_each_other_and_the_flow_goes_on(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    phone = await make_phone(CALLEE, sip=trunk_port, tone=PHONE_TONE)
    async with Bot() as bot:
        stream = {"url": bot.url, "outputSamplingRate": 16000, "bidirectionalSamplingRate": 8000}
        body = {
            "from": "+254207000001",
            "to": CALLEE,
            "actions": [{"stream": stream}, {"play": {"tone": "dial"}}],
        }
        placed = await installation.api("POST", "/v1/calls", live_customer.key, body, expect=201)
        visit = await bot.visit()
        # `level` reckons with 8 kHz: at 16 the tone stands at half its number.
        await visit.until(lambda: level(visit.pcm()[-3200:], PHONE_TONE / 2) > 1000)
        await visit.say(sine(BOT_TONE, 2))
        await visit.tell({"type": "mark", "data": {"name": "said"}})
        await visit.until(lambda: bool(visit.events("mark")))
        await visit.leave()
        await installation.call_when(live_customer, placed["call_id"], "completed")
        signature = visit.request.headers["X-Sautikit-Signature"]
        at = int(signature.split(",")[0].removeprefix("t="))
        verify(visit.request.query_string.encode(), signature, [live_customer.secret], now=at)
    heard, rate = read_wav(phone.heard()[0])
    assert rate == 8000
    assert holds_tone(heard[:, 0] * 32768, BOT_TONE)
    assert holds_tone(heard[:, 0] * 32768, AFTERWARDS)


async def test_a_voicemail_is_told_from_a_human_being_and_the_message_waits_for_its_beep(
    installation: Installation, test_customer: Customer, receiver: Receiver
) -> None:
    body = {
        "from": "+254200000001",
        "to": "+254712000006",
        "machine_detection": "detect_message_end",
        "voice_callback_url": f"{receiver.url}/voice",
        "webhook_url": f"{receiver.url}/hook",
    }
    receiver.flow = lambda _: [{"say": {"text": "Please call us back."}}]
    placed = await installation.api("POST", "/v1/calls", test_customer.key, body, expect=201)
    call = await installation.call_when(test_customer, placed["call_id"], "completed")
    assert call["answered_by"] == "machine"
    assert {form["answeredBy"] for form in receiver.callbacks()} == {"machine"}
    await receiver.until(lambda: "call.completed" in receiver.events(placed["call_id"]))
    assert "call.machine_detected" in receiver.events(placed["call_id"])
    events = await installation.api("GET", f"/v1/calls/{placed['call_id']}/events", test_customer.key)
    (found,) = [one["payload"]["facts"] for one in events["data"] if one["kind"] == "flow.answerer_found"]
    assert (found["answeredBy"], found["greetingEnd"]) == ("machine", "beep")
