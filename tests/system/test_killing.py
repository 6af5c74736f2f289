"""Every kind of process is killed in the middle of calls. What may live on does; in the end nothing is left open."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from system.installation import Customer, Installation
from system.receiver import Receiver
from voice.sip.raw_peer import raw_peer

pytestmark = pytest.mark.asyncio(loop_scope="session")

TERMINAL = ("completed", "failed", "no_answer", "busy", "canceled")
CALLS = 5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mortal() -> AsyncIterator[Installation]:
    """An installation of its own: its processes are killed."""
    folder = Path(tempfile.mkdtemp(prefix="skk-"))
    running = Installation(folder / "data")
    await running.start()
    yield running
    assert await running.stop() == 0
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def customer(mortal: Installation) -> Customer:
    made = await mortal.customer("Imara", "test")
    await mortal.number(made, "+254200000001")
    return made


async def _place_calls(mortal: Installation, customer: Customer, receiver: Receiver) -> list[str]:
    """Calls of about twelve seconds, all answered."""
    body = {
        "from": "+254200000001",
        "to": "+254712000001",
        "webhook_url": f"{receiver.url}/hook",
        "actions": [{"pause": {"length": 12}}],
    }
    placed = [await mortal.api("POST", "/v1/calls", customer.key, body, expect=201) for _ in range(CALLS)]
    ids = [one["call_id"] for one in placed]
    for call_id in ids:
        await mortal.call_when(customer, call_id, "answered")
    return ids


async def _kill(mortal: Installation, role: str) -> None:
    pid = min(mortal.pids(role))  # of PostgreSQL's processes the first is the postmaster
    os.kill(pid, signal.SIGKILL)


async def _settled(
    mortal: Installation, customer: Customer, ids: list[str], within_s: float
) -> list[dict[str, Any]]:
    """The calls once all are terminal; a platform that is coming back is asked again."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                calls = [
                    (await mortal.api("GET", f"/v1/calls/{call_id}", customer.key, expect=200))["call"]
                    for call_id in ids
                ]
            except (AssertionError, OSError):
                calls = []
            if calls and all(call["status"] in TERMINAL for call in calls):
                return calls
            await asyncio.sleep(0.25)


async def _nothing_is_left(
    mortal: Installation, customer: Customer, receiver: Receiver, ids: list[str]
) -> None:
    """Every final event came, no hold is open, the books balance, the carrier has no leg of ours."""

    def all_told() -> bool:
        return all(receiver.events(call_id)[-1:] in (["call.completed"], ["call.failed"]) for call_id in ids)

    await receiver.until(all_told, within_s=60)
    assert (await mortal.api("GET", "/v1/wallet/balance", customer.key))["held_minor"] == 0
    assert (await mortal.command("ledger", "audit"))["findings"] == []
    async with asyncio.timeout(15):
        while (await mortal.carrier("/calls"))["current"]:
            await asyncio.sleep(0.25)


@pytest.mark.parametrize("role", ["api", "worker", "postgres"])
async def test_calls_outlive_everything_but_their_node(
    mortal: Installation, customer: Customer, receiver: Receiver, role: str
) -> None:
    ids = await _place_calls(mortal, customer, receiver)
    await _kill(mortal, role)
    calls = await _settled(mortal, customer, ids, 60)
    assert {call["status"] for call in calls} == {"completed"}
    for call in calls:
        assert 12 <= call["billed_seconds"] <= 14
        assert call["cost_minor"] == -(-call["billed_seconds"] * 300 // 60)
    await _nothing_is_left(mortal, customer, receiver, ids)


async def test_a_trunk_that_said_nothing_is_called_off_though_the_call_was_over_when_the_node_was_killed(
    mortal: Installation,
) -> None:
    """Its phone would ring on, and nobody would be there when it is taken."""
    customer = await mortal.customer("Kimya")
    listing = mortal.data / "numbers.csv"
    listing.write_text("e164,type,locality,monthly_price_minor\n+254207000009,local,Nairobi,10000\n")
    await mortal.command("inventory", "import", str(listing))
    await mortal.number(customer, "+254207000009")
    async with raw_peer() as silent:
        where = ("--host", "127.0.0.1", "--port", str(silent.port), "--no-ping")
        await mortal.command("trunk", "add", "kimya", *where)
        body = {"from": "+254207000009", "to": "+254712000001", "actions": [{"pause": {"length": 1}}]}
        placed = await mortal.api("POST", "/v1/calls", customer.key, body, expect=201)
        invite = await silent.request("INVITE", seconds=10)
        await mortal.api("POST", f"/v1/calls/{placed['call_id']}/hangup", customer.key, {}, expect=200)
        await mortal.call_when(customer, placed["call_id"], "canceled")
        await _kill(mortal, "voice")
        branches = []
        while invite.via.branch not in branches:
            cancel = await silent.request("CANCEL", seconds=60)
            branches.append(cancel.via.branch)
            silent.answer(cancel, 200 if cancel.via.branch == invite.via.branch else 481)
        assert cancel.call_id == invite.call_id
        await mortal.command("trunk", "remove", "kimya")


async def test_a_lost_bye_is_repeated_by_the_next_node_when_its_own_was_killed(
    mortal: Installation,
) -> None:
    """The far end would keep its call up, and be paid for it."""
    customer = await mortal.customer("Kwaheri")
    listing = mortal.data / "more-numbers.csv"
    listing.write_text("e164,type,locality,monthly_price_minor\n+254207000010,local,Nairobi,10000\n")
    await mortal.command("inventory", "import", str(listing))
    await mortal.number(customer, "+254207000010")
    async with raw_peer() as far:
        where = ("--host", "127.0.0.1", "--port", str(far.port), "--no-ping")
        await mortal.command("trunk", "add", "kwaheri", *where)
        body = {"from": "+254207000010", "to": "+254712000001", "actions": [{"pause": {"length": 600}}]}
        placed = await mortal.api("POST", "/v1/calls", customer.key, body, expect=201)
        far.accept(await far.request("INVITE", seconds=10))
        await mortal.call_when(customer, placed["call_id"], "answered")
        await mortal.api("POST", f"/v1/calls/{placed['call_id']}/hangup", customer.key, {}, expect=200)
        lost = await far.request("BYE", seconds=10)
        call = await mortal.call_when(customer, placed["call_id"], "completed")
        await _kill(mortal, "voice")
        repeated = lost
        while repeated.cseq == lost.cseq:  # its own repetitions, as long as it lived
            repeated = await far.request("BYE", seconds=60)
        far.answer(repeated, 200)
        assert (repeated.call_id, repeated.to.tag) == (lost.call_id, lost.to.tag)
        assert repeated.cseq > lost.cseq
        again = (await mortal.api("GET", f"/v1/calls/{placed['call_id']}", customer.key))["call"]
        assert (again["status"], again["cost_minor"]) == ("completed", call["cost_minor"])
        await mortal.command("trunk", "remove", "kwaheri")


async def test_a_killed_voice_nodes_calls_end_within_thirty_seconds_and_at_the_carrier_too(
    mortal: Installation, customer: Customer, receiver: Receiver
) -> None:
    ids = await _place_calls(mortal, customer, receiver)
    await _kill(mortal, "voice")
    calls = await _settled(mortal, customer, ids, 30)
    assert {(call["status"], call["failure_code"]) for call in calls} == {("failed", "node_lost")}
    for call in calls:
        assert call["billed_seconds"] <= 12
        assert call["cost_minor"] == -(-call["billed_seconds"] * 300 // 60)
    await _nothing_is_left(mortal, customer, receiver, ids)
    again = await mortal.api(
        "POST", "/v1/calls", customer.key, {"from": "+254200000001", "to": "+254712000010"}, expect=201
    )
    await mortal.call_when(customer, again["call_id"], "completed")
