"""A live call controlled through the API of a whole installation. How soon it acts is measured by `bench/live_control.py`:
on a machine that is shared no test can tell."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest

from system.installation import Customer, Installation
from system.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER = "+254200000001"
LISTENS = "+254712000021"  # answers after a second and listens
ROUNDS = 8


async def _answered(installation: Installation, customer: Customer, **wishes: Any) -> str:
    placed = await installation.api(
        "POST", "/v1/calls", customer.key, {"from": CALLER, "to": LISTENS, **wishes}, expect=201
    )
    await installation.call_when(customer, placed["call_id"], "answered")
    call_id: str = placed["call_id"]
    return call_id


async def _replaced(installation: Installation, customer: Customer, call_id: str) -> int:
    call = await installation.api("GET", f"/v1/calls/{call_id}", customer.key)
    return sum(event["kind"] == "flow.replaced" for event in call["call"]["events"])


async def test_a_live_call_takes_a_new_flow_at_once(
    installation: Installation, test_customer: Customer, receiver: Receiver
) -> None:
    receiver.flow = lambda _: [{"play": {"tone": "dial", "loop": 100}}]
    call_id = await _answered(installation, test_customer, actions=[{"pause": {"length": 60}}])
    for round_ in range(1, ROUNDS + 1):
        await installation.api(
            "PATCH",
            f"/v1/calls/{call_id}",
            test_customer.key,
            {"voice_callback_url": f"{receiver.url}/voice"},
            expect=200,
        )
        await receiver.until(partial(_asked, receiver, round_))
    await installation.api("POST", f"/v1/calls/{call_id}/hangup", test_customer.key, expect=200)
    await installation.call_when(test_customer, call_id, "completed")
    async with asyncio.timeout(20):  # the story is written a moment behind the call
        while await _replaced(installation, test_customer, call_id) < ROUNDS:
            await asyncio.sleep(0.05)
    assert await _replaced(installation, test_customer, call_id) == ROUNDS
    answer = await installation.api(
        "PATCH", f"/v1/calls/{call_id}", test_customer.key, {"actions": []}, expect=409
    )
    assert answer["error"]["code"] == "calls.not_live"


def _asked(receiver: Receiver, times: int) -> bool:
    return len(receiver.callbacks()) >= times


async def _events(
    installation: Installation, customer: Customer, call_id: str, last: int
) -> AsyncIterator[dict[str, Any]]:
    """The control events after `last`, over as many connections as it takes."""
    headers = {"Authorization": f"Bearer {customer.key}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as http:
        while True:
            try:
                async with http.get(
                    f"{installation.url}/v1/calls/{call_id}/control/events",
                    headers={"Last-Event-ID": str(last)},
                ) as stream:
                    async for line in stream.content:
                        if line.startswith(b"data: "):
                            event: dict[str, Any] = json.loads(line[6:])
                            last = event["sequence"]
                            yield event
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


async def test_a_controller_drives_a_call_by_server_sent_events_and_loses_nothing_when_the_api_dies(
    installation: Installation, test_customer: Customer
) -> None:
    placed = await installation.api(
        "POST",
        "/v1/calls",
        test_customer.key,
        {"from": CALLER, "to": LISTENS, "control": "mcp", "opening_actions": [{"say": {"text": "Hello."}}]},
        expect=201,
    )
    path = f"/v1/calls/{placed['call_id']}/control"
    told: list[tuple[int, str]] = []
    async with asyncio.timeout(60):
        async for event in _events(installation, test_customer, placed["call_id"], 0):
            told.append((event["sequence"], event["kind"]))
            if event["kind"] == "ended":
                break
            if event["sequence"] == 2:
                for pid in installation.pids("api"):
                    os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.5)
            actions = [{"hangup": {}}] if event["sequence"] == 3 else [{"pause": {"length": 1}}]
            await _respond(installation, test_customer, path, {"turn": event["turn"], "actions": actions})
    assert told == [(1, "turn"), (2, "turn"), (3, "turn"), (4, "ended")]
    polled = await installation.api("GET", f"{path}/events?cursor=2", test_customer.key, expect=200)
    assert ([one["sequence"] for one in polled["data"]], polled["ended"]) == ([3, 4], True)
    late = await installation.api("POST", f"{path}/respond", test_customer.key, {"actions": []}, expect=409)
    assert late["error"]["code"] == "calls.not_live"


async def _respond(installation: Installation, customer: Customer, path: str, answer: dict[str, Any]) -> None:
    """Until the API that was killed is back; its key makes the repetition harmless."""
    headers = {"Idempotency-Key": f"{path}-{answer['turn']}"}
    for _ in range(100):
        try:
            await installation.api(
                "POST", f"{path}/respond", customer.key, answer, expect=202, headers=headers
            )
            return
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise AssertionError("the API did not come back")


async def test_a_supervisor_hears_a_test_call_and_only_one_at_a_time(
    installation: Installation, test_customer: Customer
) -> None:
    call_id = await _answered(installation, test_customer, actions=[{"pause": {"length": 60}}])
    path = f"/v1/calls/{call_id}/supervision"
    wish = {"mode": "listen", "supervisor": {"type": "phone", "number": "+254713000022"}}
    begun = await installation.api("POST", path, test_customer.key, wish, expect=201)
    assert begun["supervision"]["state"] == "connecting"
    second = await installation.api("POST", path, test_customer.key, wish, expect=409)
    assert second["error"]["code"] == "calls.supervision_in_progress"
    async with asyncio.timeout(20):
        while (await installation.api("GET", path, test_customer.key))["supervision"]["state"] != "connected":
            await asyncio.sleep(0.05)
    changed = await installation.api("PATCH", path, test_customer.key, {"mode": "barge"}, expect=200)
    assert changed["supervision"]["mode"] == "barge"
    await installation.api("DELETE", path, test_customer.key, expect=200)
    async with asyncio.timeout(20):
        while (await installation.api("GET", path, test_customer.key))["supervision"]["state"] != "ended":
            await asyncio.sleep(0.05)
    await installation.api("POST", f"/v1/calls/{call_id}/hangup", test_customer.key, expect=200)
    call = await installation.call_when(test_customer, call_id, "completed")
    (leg_id,) = call["legs"]
    leg = (await installation.api("GET", f"/v1/calls/{leg_id}", test_customer.key))["call"]
    assert leg["cost_minor"] == -(-leg["billed_seconds"] * 300 // 60) > 0
    assert call["total_cost_minor"] == call["cost_minor"] + leg["cost_minor"]
