"""`dial`, with an outside caller, telephones on two trunks and desk phones, each of them a baresip."""

from pathlib import Path
from typing import Any

import pytest

from system.baresip import Baresip
from system.conftest import CALLEE
from system.examples.desk_phone import desk_phone
from system.sound import RATE, power_at
from system.verbs.stage import (
    CALLER_TONE,
    NUMBER,
    SECOND_NUMBER,
    Stage,
    heard,
    tones_in,
    until_hears,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")
COLLEAGUE, COLLEAGUE_TONE = "+254713000555", 1500


async def _colleague(stage: Stage, port: int, *, answer: bool = True) -> Baresip:
    return await stage.make_phone(COLLEAGUE, sip=port, tone=COLLEAGUE_TONE, answer=answer)


async def test_two_ring_together_and_one_takes_the_call_after_a_whisper_and_is_recorded(
    stage: Stage, second_trunk_port: int
) -> None:
    first = await stage.callee(answer=False)
    colleague = await _colleague(stage, second_trunk_port, answer=False)
    dial = {
        "numbers": [CALLEE, COLLEAGUE],
        "callerId": SECOND_NUMBER,
        "answerOnBridge": False,
        "ringTone": stage.tone_file("ringing", 620, 1),
        "whisper": [{"play": {"url": stage.tone_file("whisper", 800, 0.8)}}],
        "record": "record-from-answer",
        "maxDuration": 4,
        "action": "/after",
        "method": "GET",
    }
    await stage.route(lambda _: [{"dial": dial}])
    stage.receiver.replies["/after"] = [[]]
    caller = await stage.call_in()
    await caller.until("CALL_ESTABLISHED")  # before anybody has answered
    incoming = await colleague.until("CALL_INCOMING")
    await first.until("CALL_INCOMING")
    await until_hears(caller, 620)
    await colleague.command("accept")
    await first.until("CALL_CLOSED")
    await until_hears(colleague, CALLER_TONE)
    await until_hears(caller, COLLEAGUE_TONE)
    await colleague.until("CALL_CLOSED")  # by maxDuration
    after = await stage.receiver.asked("/after")
    await caller.until("CALL_CLOSED")
    assert SECOND_NUMBER in incoming["peeruri"]
    assert tones_in(heard(colleague), 800) >= 1
    assert tones_in(heard(caller), 800) == 0
    assert (after.method, after.form["dialStatus"]) == ("GET", "completed")
    assert after.form["dialDuration"] in {"4", "5"}
    await _recorded_apart(stage, after.form["callId"])


async def _recorded_apart(stage: Stage, call_id: str) -> None:
    """The caller on the left, the called party on the right."""
    row = await stage.ready(call_id)
    assert row["channels"] == 2
    left, right = await stage.recording(row["id"])
    assert power_at(left, RATE, CALLER_TONE) > 0.9
    assert power_at(right, RATE, COLLEAGUE_TONE) > 0.9


async def test_in_turn_the_second_rings_when_the_first_has_not_answered_in_time(
    stage: Stage, second_trunk_port: int
) -> None:
    first = await stage.callee(answer=False)
    colleague = await _colleague(stage, second_trunk_port)
    await stage.route(
        lambda _: [{"dial": {"numbers": [CALLEE, COLLEAGUE], "sequential": True, "timeout": 3}}]
    )
    caller = await stage.call_in()
    await first.until("CALL_INCOMING")
    assert not any(event.get("type") == "CALL_INCOMING" for event in colleague.events)
    await first.until("CALL_CLOSED")
    await colleague.until("CALL_ESTABLISHED")
    await until_hears(caller, COLLEAGUE_TONE)
    await caller.hang_up()
    await colleague.until("CALL_CLOSED")


@pytest.mark.parametrize("field", ["client", "sip"])
async def test_a_desk_phone_is_rung_by_its_name_or_its_address(
    stage: Stage, tmp_path: Path, field: str
) -> None:
    desk, name = await desk_phone(
        tmp_path, stage.installation, stage.customer, NUMBER, f"desk-{field}", tone=COLLEAGUE_TONE
    )
    target: dict[str, Any] = {"client": name} if field == "client" else {"sip": f"sip:{name}@127.0.0.1"}
    try:
        await stage.route(lambda _: [{"dial": target}])
        caller = await stage.call_in()
        await desk.until("CALL_ESTABLISHED")
        await until_hears(desk, CALLER_TONE)
        await until_hears(caller, COLLEAGUE_TONE)
        await caller.hang_up()
        await desk.until("CALL_CLOSED")
    finally:
        await desk.stop()


async def test_an_attended_transfer_waits_with_music_for_a_target_who_presses_one(stage: Stage) -> None:
    transfer = {
        "to": CALLEE,
        "mode": "attended",
        "callerId": SECOND_NUMBER,
        "timeout": 20,
        "holdUrl": stage.tone_file("hold", 620, 2),
        "whisper": [{"play": {"url": stage.tone_file("whisper", 800, 1)}}],
        "action": "/after",
        "method": "GET",
    }
    await stage.route(lambda _: [{"transfer": transfer}])
    stage.receiver.replies["/after"] = [[]]
    target = await stage.callee(answer=False)
    caller = await stage.call_in()
    incoming = await target.until("CALL_INCOMING")
    await until_hears(caller, 620)
    await target.command("accept")
    await until_hears(target, 800)
    await target.press("1")
    await until_hears(target, CALLER_TONE)
    await until_hears(caller, 1000)
    await target.hang_up()
    after = await stage.receiver.asked("/after")
    await caller.until("CALL_CLOSED")
    assert SECOND_NUMBER in incoming["peeruri"]
    assert tones_in(heard(caller), 800) == 0
    assert (after.method, after.form["transferStatus"]) == ("GET", "completed")


async def test_a_blind_transfer_that_nobody_takes_in_time_leaves_the_caller_to_the_next_verb(
    stage: Stage,
) -> None:
    target = await stage.callee(answer=False)
    await stage.route(lambda _: [{"transfer": {"to": CALLEE, "timeout": 3}}, {"play": {"tone": "dial"}}])
    caller = await stage.call_in()
    await target.until("CALL_CLOSED")
    await until_hears(caller, 425)
    await caller.hang_up()
