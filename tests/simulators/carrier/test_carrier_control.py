"""Simulated callers, ordered over HTTP: what arrives at the platform, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from sautikitd.simulators.carrier.carrier import Carrier
from sautikitd.simulators.carrier.control import serving
from sautikitd.voice.sip.events import Acknowledged, Canceled, RemoteBye
from sautikitd.voice.sip.user_agent import UserAgent
from simulators.carrier.far_side import FarSide, Phone, WatchedClock, description_of, eventually
from voice.media.rtp_peer import sine
from voice.sip.parties import Callee

CALLER, CALLED = "+254722000001", "+254200000001"


@pytest.fixture
async def control(carrier: Carrier) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serving(carrier, ("127.0.0.1", 0)) as (host, port),
        aiohttp.ClientSession(f"http://{host}:{port}") as session,
    ):
        yield session


@pytest.fixture
def order(agent: UserAgent) -> dict[str, Any]:
    """A caller for the platform's side of the test."""
    host, port = agent.bound
    return {"call_id": str(uuid4()), "from": CALLER, "to": CALLED, "host": host, "port": port, "script": []}


async def place(control: aiohttp.ClientSession, order: dict[str, Any]) -> int:
    async with control.post("/calls", json=order) as response:
        return response.status


async def answer(callee: Callee, far_side: FarSide) -> Phone:
    """Takes the simulated call, with sound both ways."""
    sip, peer = await callee.call(), far_side.peer()
    phone = Phone(sip, peer)
    assert sip.offer
    phone.send_to(sip.offer)
    await sip.answer(description_of(peer))
    await phone.until(Acknowledged)
    return phone


async def test_the_invite_carries_the_numbers_and_the_id_of_the_order(
    control: aiohttp.ClientSession, order: dict[str, Any], callee: Callee, carrier: Carrier
) -> None:
    assert await place(control, order) == 202
    sip = await callee.call()
    assert sip.called == CALLED
    assert sip.from_.user == CALLER
    assert sip.header("X-Sautikit-Test-Call") == order["call_id"]
    assert (sip.source.host, sip.source.port) == carrier.bound
    sip.reject(486)
    await eventually(lambda: carrier.legs == 0 and not carrier.journal.current)
    entry = carrier.journal.ended[0]
    assert (str(entry.call_id), entry.cause, entry.sip_code) == (order["call_id"], "user_busy", 486)


async def test_a_caller_follows_its_script_and_hangs_up(
    control: aiohttp.ClientSession,
    order: dict[str, Any],
    callee: Callee,
    far_side: FarSide,
    clock: WatchedClock,
) -> None:
    order["script"] = [
        {"wait": 1.5},
        {"press": "1w2#"},
        {"say": "Ndiyo.", "language": "sw-KE"},
        {"listen": 7},
        {"hangup": True},
    ]
    assert await place(control, order) == 202
    phone = await answer(callee, far_side)
    await clock.asked_for(1.5)
    assert phone.peer.presses() == []
    clock.advance(1.5)
    await eventually(lambda: len(phone.peer.presses()) == 3)
    assert [key for _, key in phone.peer.presses()] == ["1", "2", "#"]
    await clock.asked_for(7)
    assert max(abs(phone.peer.heard())) > 2000
    clock.advance(7)
    await phone.until(RemoteBye)


async def test_a_caller_without_a_script_listens_until_the_platform_hangs_up(
    control: aiohttp.ClientSession,
    order: dict[str, Any],
    callee: Callee,
    far_side: FarSide,
    carrier: Carrier,
) -> None:
    await place(control, order)
    phone = await answer(callee, far_side)
    await phone.peer.say(sine(440, 0.5))
    await phone.press("9")
    await phone.sip.hang_up()
    await eventually(lambda: carrier.legs == 0 and not carrier.journal.current)
    async with control.get("/calls") as response:
        listed = await response.json()
    assert listed["current"] == []
    entry = listed["ended"][0]
    assert (entry["from"], entry["to"], entry["digits"]) == (CALLER, CALLED, "9")
    assert entry["cause"] == "normal_clearing"
    assert 400 <= entry["heard_ms"] <= 1200
    assert "heard key 9" in [happening["what"] for happening in entry["happenings"]]


async def test_a_caller_gives_up_while_it_rings(
    control: aiohttp.ClientSession, order: dict[str, Any], callee: Callee, carrier: Carrier
) -> None:
    await place(control, order)
    sip = await callee.call()
    sip.ring()
    async with control.delete(f"/calls/{order['call_id']}") as response:
        assert response.status == 204
    assert isinstance(await sip.next_event(), Canceled)
    await eventually(lambda: carrier.legs == 0 and not carrier.journal.current)
    async with control.delete(f"/calls/{order['call_id']}") as response:
        assert response.status == 404


async def test_a_caller_hangs_up_on_demand(
    control: aiohttp.ClientSession, order: dict[str, Any], callee: Callee, far_side: FarSide
) -> None:
    await place(control, order)
    phone = await answer(callee, far_side)
    async with control.delete(f"/calls/{order['call_id']}") as response:
        assert response.status == 204
    await phone.until(RemoteBye)


async def test_one_id_rings_once_at_a_time(
    control: aiohttp.ClientSession, order: dict[str, Any], callee: Callee, carrier: Carrier
) -> None:
    assert await place(control, order) == 202
    sip = await callee.call()
    assert await place(control, order) == 409
    assert callee.waiting == 0
    sip.reject()
    await eventually(lambda: not carrier.journal.current)
    assert await place(control, order) == 202
    (await callee.call()).reject()
    await eventually(lambda: not carrier.journal.current)


async def test_an_order_that_makes_no_sense_is_refused_with_a_reason(
    control: aiohttp.ClientSession, order: dict[str, Any], carrier: Carrier
) -> None:
    async with control.post("/calls", json=order | {"script": [{"press": "one"}]}) as response:
        assert response.status == 422
        assert "script[0].press" in (await response.json())["error"]
    assert carrier.journal.current == []


async def test_an_order_that_is_not_json_is_refused(control: aiohttp.ClientSession) -> None:
    json = {"Content-Type": "application/json"}
    for body, headers, status in ((b"{", json, 422), (b"\xff", json, 422), (b"{}", {}, 415)):
        async with control.post("/calls", data=body, headers=headers) as response:
            assert response.status == status


async def test_health_says_how_many_calls_are_up(control: aiohttp.ClientSession, far_side: FarSide) -> None:
    phone = await far_side.call("+254700000001")
    await phone.answered()
    async with control.get("/healthz") as response:
        assert await response.json() == {"status": "ok", "calls": 1, "legs": 1, "dialogs": 1}
    async with control.get("/calls/not-an-id") as response:
        assert response.status == 404
    await phone.sip.hang_up()
