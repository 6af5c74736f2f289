"""One-time codes by telephone, over the simulated carrier."""

import re

import pytest

import voice_otp
from system.examples.conftest import Serve
from system.examples.served import said
from system.installation import Customer, Installation

NUMBER = "+254200000003"
PRESSES_1, BUSY = "+254712000007", "+254712000003"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_code_is_told_only_after_a_key_and_is_right_once(
    installation: Installation, test_customer: Customer, serve: Serve
) -> None:
    otp = await serve(voice_otp.make, test_customer, NUMBER)
    status, made = await otp.ask("POST", "/otp", {"phone": PRESSES_1})
    assert status == 201
    call = (await otp.api.request("GET", "/v1/calls?limit=1"))["data"][0]
    assert call["client_request_id"] == made["otp_id"]

    story = await otp.until(call["id"], lambda story: len(said(story)) == 2)

    hello, spoken = said(story)
    code = re.search(r'"digits">(\d{6})<', spoken)
    assert code is not None
    assert (hello, code[1] in hello) == ("This is Duka with your code. Press 1 to hear it.", False)
    assert await otp.ask("GET", f"/otp/{made['otp_id']}") == (200, {"status": "told"})
    checks = [{"code": "000000"}, {"code": code[1]}, {"code": code[1]}]
    answers = [await otp.ask("POST", f"/otp/{made['otp_id']}/check", one) for one in checks]
    assert [answer["correct"] for _, answer in answers] == [False, True, False]
    await otp.api.request("POST", f"/v1/calls/{call['id']}/hangup", {})
    await installation.call_when(test_customer, call["id"], "completed")


async def test_whoever_is_busy_is_reported_for_another_way(
    installation: Installation, test_customer: Customer, serve: Serve
) -> None:
    otp = await serve(voice_otp.make, test_customer, NUMBER)
    _, made = await otp.ask("POST", "/otp", {"phone": BUSY, "language": "sw"})
    (call,) = (await otp.api.request("GET", "/v1/calls?limit=1"))["data"]
    await installation.call_when(test_customer, call["id"], "busy")
    await otp.eventually("GET", f"/otp/{made['otp_id']}", {"status": "not_reached"})


async def test_a_number_that_is_none_is_refused_with_its_reason(
    installation: Installation, test_customer: Customer, serve: Serve
) -> None:
    otp = await serve(voice_otp.make, test_customer, NUMBER)
    status, answer = await otp.ask("POST", "/otp", {"phone": "+25471"})
    assert (status, answer["error"]) == (502, "request.invalid")
