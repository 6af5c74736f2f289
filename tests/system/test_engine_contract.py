"""The contract of a voice engine (its eleven points), through the whole platform, against baresip and SIPp.

1 originate over a trunk, answered        test_calls_over_a_trunk: the_far_end_hears_us_and_presses_keys…
2 play, heard by the far end              the same (speech), and a_sound_file_by_url_is_played (a tone, by its spectrum)
3 record a leg                            test_calls_over_a_trunk: a_recording_of_ours_contains_what_the_far_end_played
4 keys in, RFC 4733                       test_calls_over_a_trunk: the_far_end_hears_us_and_presses_keys…; `1590#` here
5 keys out                                test_calls_over_a_trunk: digits_that_we_send_arrive_at_the_far_end
6 inbound number, bridge                  test_dial: two_phones_hear_each_other_and_either_may_hang_up
7 a third party                           test_rooms_of_phones: three_phones_confer_and_the_record_has_all_of_them
8 media fork out, 9 media from a server   test_streams: a_phone_and_a_server_hear_each_other_and_the_flow_goes_on
10 barge-in                               here
11 hang-up from each side, nothing left   here, by SIPp, which sees the BYE or sends it; soak.soak for many at once

What carriers do besides (early media, CANCEL crossing 200, challenges, lost messages, re-INVITEs …) is in tests/voice.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from system.baresip import Baresip
from system.conftest import CALLEE, MakePhone
from system.installation import Customer, Installation
from system.receiver import Receiver
from system.soak.gauges import on_metrics
from system.sound import loud_seconds, read_wav
from voice.sip.far_end import SippRunner

SIPPS_NUMBER = "+254709000001"  # what SIPp's scenarios call
_PROMPT = "Please listen to all of this, since it goes on and on. " * 8
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def run_sipp(tmp_path: Path) -> AsyncIterator[SippRunner]:
    runner = SippRunner(tmp_path)
    yield runner
    await runner.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sipps_number(installation: Installation, live_customer: Customer) -> str:
    """Its id, in the live workspace."""
    listing = installation.data / "sipp.csv"
    listing.write_text(f"e164,type,locality,monthly_price_minor\n{SIPPS_NUMBER},mobile,,10000\n")
    await installation.command("inventory", "import", str(listing))
    number_id: str = (await installation.number(live_customer, SIPPS_NUMBER))["id"]
    return number_id


async def _nothing_is_left(installation: Installation) -> None:
    """Transactions linger for 32 s (RFC 3261 §17) and are nobody's call."""
    held: dict[str, int] = {}
    try:
        async with asyncio.timeout(15):
            while held := {name: n for name, n in (await on_metrics(installation)).items() if n}:
                if not held.keys() - {"sip_transactions"}:
                    return
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"left behind: {held}")


async def _heard_something(phone: Baresip) -> None:
    """Returns when there is sound in the file that the phone is writing, whose header is not to be trusted yet."""
    async with asyncio.timeout(20):
        while True:
            for file in phone.heard():
                raw = file.read_bytes()[44:]
                samples = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")
                if samples.size and np.abs(samples).max() > 1000:
                    return
            await asyncio.sleep(0.1)


async def test_a_key_cuts_the_prompt_short_and_all_of_1590_hash_arrives(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    receiver: Receiver,
    make_phone: MakePhone,
) -> None:
    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        if form.get("Digits"):
            return [{"pause": {"length": 2}}]
        prompt = {"say": {"text": _PROMPT}}
        return [{"getDigits": {"numDigits": 5, "finishOnKey": "", "timeout": 8, "nested": [prompt]}}]

    receiver.flow = flow
    phone = await make_phone(CALLEE, sip=trunk_port)
    body = {"from": "+254207000001", "to": CALLEE, "voice_callback_url": f"{receiver.url}/voice"}
    placed = await installation.api("POST", "/v1/calls", live_customer.key, body, expect=201)
    await phone.until("CALL_ESTABLISHED")
    await _heard_something(phone)
    await phone.press("1590#")
    await installation.call_when(live_customer, placed["call_id"], "completed")
    await phone.until("CALL_CLOSED")
    assert {form["Digits"] for form in receiver.callbacks() if form.get("Digits")} == {"1590#"}
    heard, rate = read_wav(phone.heard()[0])
    assert 0.1 < loud_seconds(heard[:, 0], rate) < 8  # the whole prompt takes over 20 s
    await _nothing_is_left(installation)


@pytest.mark.parametrize(
    ("scenario", "actions", "by"),
    [
        ("uac_bye", [{"pause": {"length": 30}}], "caller"),
        ("uac_waits_for_bye", [{"pause": {"length": 1}}, {"hangup": {}}], "platform"),
    ],
)
async def test_either_side_hangs_up_and_nothing_is_left(
    installation: Installation,
    live_customer: Customer,
    trunk_port: int,
    sipps_number: str,
    receiver: Receiver,
    run_sipp: SippRunner,
    scenario: str,
    actions: list[dict[str, Any]],
    by: str,
) -> None:
    receiver.flow = lambda _: [{"ring": {}}, {"answer": {}}, *actions]
    routing = {"voice_callback_url": f"{receiver.url}/voice"}
    await installation.api(
        "PATCH", f"/v1/numbers/{sipps_number}/routing", live_customer.key, routing, expect=200
    )
    caller = await run_sipp(scenario, to=installation.sip_port)
    await caller.succeeded()
    call = await installation.call_when(live_customer, receiver.callbacks()[0]["callId"], "completed")
    assert (call["hangup_by"], call["hangup_cause"]) == (by, "normal_clearing")
    await _nothing_is_left(installation)
