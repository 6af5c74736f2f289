"""`getDigits`, pressed by the far end."""

import pytest

from system.sound import RATE
from system.verbs.stage import Stage, heard, tones_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_keys_cut_the_prompt_short_are_handed_to_the_action_and_hidden_where_they_are_secret(
    stage: Stage,
) -> None:
    """`getDigits`: barge-in, the finish key, `action` by GET; then secret digits; then `retries` without a key."""
    phone = await stage.callee()
    long = stage.tone_file("long", 600, 12)
    short = stage.tone_file("ask", 900, 0.5)
    asking = {"nested": [{"play": {"url": long}}], "finishOnKey": "*", "action": "/keys", "method": "GET"}
    secret = {"numDigits": 2, "sensitive": True, "action": "/secret", "timeout": 15}
    again = {"nested": [{"play": {"url": short}}], "timeout": 1, "retries": 2}
    stage.receiver.flow = lambda _: [{"getDigits": asking}]
    stage.receiver.replies = {
        "/keys": [[{"getDigits": secret}]],
        "/secret": [[{"getDigits": again}, {"play": {"url": long}}]],
    }
    call_id = await stage.place(voice_callback_url=f"{stage.receiver.url}/voice")
    await phone.until("CALL_ESTABLISHED")
    await phone.press("42*")
    keys = await stage.receiver.asked("/keys")
    barged = heard(phone).size / RATE
    await phone.press("97")
    told = await stage.receiver.asked("/secret")
    await stage.over(call_id)
    assert (keys.method, keys.form["Digits"]) == ("GET", "42")
    assert barged < 8
    assert (told.method, told.form["Digits"]) == ("POST", "97")
    samples = heard(phone)
    assert tones_in(samples, 900) == 3
    events = str(await stage.events(call_id))
    assert "42" in events
    assert "'97'" not in events
