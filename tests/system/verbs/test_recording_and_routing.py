"""`record`, `redirect`, `answer`, `ring`, `reject` and `hangup` between a baresip and the platform."""

import asyncio
import time

import pytest

from system.sound import RATE, power_at
from system.verbs.stage import CALLEE_TONE, Stage, heard, until_hears, until_quiet

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_recording_ends_by_silence_which_is_cut_off_and_the_next_by_a_key(stage: Stage) -> None:
    phone = await stage.callee()
    by_silence = {"timeout": 2, "trimSilence": True, "action": "/first", "method": "GET"}
    by_key = {"timeout": 20, "finishOnKey": "9", "beep": False, "action": "/second"}
    stage.receiver.flow = lambda _: [{"record": by_silence}]
    stage.receiver.replies = {
        "/first": [[{"play": {"tone": "dial"}}, {"record": by_key}]],
        "/second": [[{"hangup": {}}]],
    }
    call_id = await stage.place(voice_callback_url=f"{stage.receiver.url}/voice")
    await phone.until("CALL_ESTABLISHED")
    await until_hears(phone, 1000)  # the beep
    await asyncio.sleep(3)  # he speaks for a while, as people do
    await phone.command("mute")
    first = await stage.receiver.asked("/first")
    await until_hears(phone, 425)
    beeps = [power_at(heard(phone)[:RATE], RATE, 1000) > 0.8]
    await phone.command("mute")
    await until_quiet(phone)  # the tone is over, and he is being recorded
    await phone.press("9")
    second = await stage.receiver.asked("/second")
    await stage.over(call_id)
    assert (first.method, second.method) == ("GET", "POST")
    assert second.form["Digits"] == "9"
    assert beeps == [True]
    rows = (await stage.installation.api("GET", f"/v1/calls/{call_id}/recordings", stage.customer.key))[
        "data"
    ]
    await stage.ready(call_id)
    said, _ = await stage.recording(rows[-1]["id"])
    assert 2 < said.size / RATE < 5  # without the two seconds of silence after it
    assert power_at(said[-RATE // 2 :], RATE, CALLEE_TONE) > 0.9


async def test_a_caller_hears_it_ring_is_answered_and_goes_on_where_the_flow_is_redirected(
    stage: Stage,
) -> None:
    await stage.route(
        lambda _: [{"ring": {"length": 3}}, {"answer": {}}, {"redirect": {"url": "next", "method": "GET"}}]
    )
    stage.receiver.replies["/next"] = [
        [{"play": {"tone": "dial"}}, {"hangup": {}}, {"pause": {"length": 60}}]
    ]
    caller = await stage.call_in()
    await caller.until("CALL_RINGING")
    rang = time.monotonic()
    await caller.until("CALL_ESTABLISHED")
    rung_for = time.monotonic() - rang
    asked = await stage.receiver.asked("/next")
    await until_hears(caller, 425)
    await caller.until("CALL_CLOSED")
    assert 2 < rung_for < 8
    assert asked.method == "GET"


@pytest.mark.parametrize(("reason", "code"), [("busy", "486"), ("rejected", "603")])
async def test_a_caller_is_rejected_with_the_reason_and_pays_nothing(
    stage: Stage, reason: str, code: str
) -> None:
    await stage.route(lambda _: [{"reject": {"reason": reason}}])
    caller = await stage.call_in()
    closed = await caller.until("CALL_CLOSED")
    assert code in closed["param"]
    (form, *_) = stage.receiver.callbacks()
    call = await stage.installation.call_when(stage.customer, form["callId"], "busy", "failed")
    assert (call["answered_at"], call["cost_minor"]) == (None, 0)
