"""`conference`, `enqueue` and `dequeue`, with a baresip for everybody."""

import asyncio
from typing import Any

import pytest

from system.baresip import Baresip
from system.verbs.stage import Stage, heard, moments_of, share, until_hears

pytestmark = pytest.mark.asyncio(loop_scope="session")
GUEST, QUIET, HOST, LATE = (f"+25473311100{last}" for last in range(1, 5))
TONES = {GUEST: 500, QUIET: 900, HOST: 1300, LATE: 1700}


async def _joined(stage: Stage, name: str, count: int) -> list[dict[str, Any]]:
    path = f"/v1/conferences/{name}/participants"
    async with asyncio.timeout(20):
        while True:
            found = (await stage.installation.api("GET", path, stage.customer.key)).get("data", [])
            if len(found) == count:
                rows: list[dict[str, Any]] = found
                return rows
            await asyncio.sleep(0.1)


async def _in(stage: Stage, caller: str) -> Baresip:
    phone = await stage.call_in(caller, TONES[caller])
    await phone.until("CALL_ESTABLISHED")
    return phone


async def test_a_conference_that_waits_for_its_host_and_ends_with_him(stage: Stage) -> None:
    """waitUrl, startOnEnter, muted, beep, maxParticipants, the keys, and endOnExit."""
    waiting = {"waitUrl": stage.tone_file("waiting", 700, 3), "startOnEnter": False, "maxParticipants": 3}
    keys = {"collectDigits": True, "numDigits": 3, "finishOnKey": "#", "digitsCallbackUrl": "/keys"}
    seats = {
        GUEST: {**waiting, **keys},
        QUIET: {**waiting, "muted": True},
        HOST: {"endOnExit": True, "beep": "onEnter"},
        LATE: {},
    }
    await stage.route(
        lambda form: [
            {"conference": {"name": "mkutano", **seats[form["callerNumber"]]}},
            {"play": {"tone": "dial"}},
        ]
    )
    stage.receiver.replies["/keys"] = [[]]
    guest, quiet = await _in(stage, GUEST), await _in(stage, QUIET)
    for phone in (guest, quiet):
        await until_hears(phone, 700)
    host = await _in(stage, HOST)
    await until_hears(guest, TONES[HOST])
    await guest.press("12#")
    asked = await stage.receiver.asked("/keys")
    late = await stage.call_in(LATE, TONES[LATE])
    await late.until("CALL_CLOSED")  # full: passed over
    assert share(guest, TONES[QUIET]) < 0.02
    assert share(quiet, TONES[GUEST]) > 0.3
    assert share(host, TONES[QUIET]) < 0.02
    assert asked.form["Digits"] == "12"
    await host.hang_up()
    for phone in (guest, quiet):
        await until_hears(phone, 425)
        await phone.until("CALL_CLOSED")
    assert moments_of(heard(guest), 830) >= 1  # the beep of the host, while others are heard


async def test_a_coach_is_heard_by_his_agent_alone(stage: Stage) -> None:
    def flow(form: dict[str, str]) -> list[dict[str, Any]]:
        coach = {"coach": agent_call} if form["callerNumber"] == HOST else {}
        return [{"conference": {"name": "mafunzo", **coach}}]

    agent_call = ""
    await stage.route(flow)
    agent = await _in(stage, GUEST)
    agent_call = stage.receiver.callbacks()[0]["callId"]
    customer, coach = await _in(stage, QUIET), await _in(stage, HOST)
    await _joined(stage, "mafunzo", 3)
    await until_hears(customer, TONES[GUEST])
    await asyncio.sleep(1.5)  # they talk for a while, as people do
    assert share(customer, TONES[HOST]) < 0.02
    assert min(share(agent, TONES[QUIET]), share(agent, TONES[HOST])) > 0.3
    assert min(share(coach, TONES[GUEST]), share(coach, TONES[QUIET])) > 0.3
    for phone in (agent, customer, coach):
        await phone.hang_up()


async def test_a_queue_plays_what_it_was_given_takes_so_many_and_keeps_them_so_long(stage: Stage) -> None:
    queue = {
        "name": "foleni",
        "waitUrl": stage.tone_file("queue", 700, 3),
        "maxSize": 1,
        "maxWait": 9,
        "action": "/left",
        "method": "GET",
    }
    await stage.route(lambda _: [{"enqueue": queue}])
    stage.receiver.replies["/left"] = [[{"hangup": {}}], [{"hangup": {}}]]
    first = await _in(stage, GUEST)
    await until_hears(first, 700)
    second = await _in(stage, QUIET)
    await second.until("CALL_CLOSED")
    await first.until("CALL_CLOSED")
    left = [one for one in stage.receiver.requests if one.path == "/left"]
    assert [one.method for one in left] == ["GET", "GET"]
    assert [one.form["queueResult"] for one in left] == ["queue-full", "timeout"]
    assert int(left[1].form["queueTime"]) in {8, 9, 10}


async def test_an_agent_hears_what_he_was_given_until_nobody_has_come_in_time(stage: Stage) -> None:
    agent = await stage.callee()
    dequeue = {
        "name": "tupu",
        "waitUrl": stage.tone_file("nobody", 700, 3),
        "maxWait": 4,
        "action": "/none",
        "method": "GET",
    }
    stage.receiver.flow = lambda _: [{"dequeue": dequeue}]
    stage.receiver.replies["/none"] = [[]]
    call_id = await stage.place(voice_callback_url=f"{stage.receiver.url}/voice")
    await until_hears(agent, 700)
    asked = await stage.receiver.asked("/none")
    call = await stage.over(call_id)
    assert (asked.method, asked.form["queueName"], asked.form["dialStatus"]) == ("GET", "tupu", "no_answer")
    assert 3 <= call["billed_seconds"] <= 8
