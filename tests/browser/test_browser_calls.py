"""Browsers call and are called: JsSIP and SIP.js in Chromium, over WSS, ICE and DTLS-SRTP, heard both ways."""

import asyncio
from pathlib import Path

import pytest

from browser import turn
from browser.conftest import BROWSER_TONE, OpenPhone
from browser.softphone_page import PagePhone
from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.node.devices.guard import DeviceGuard
from sautikitd.voice.sip.admission import Admit, Demand, Verdict
from sautikitd.voice.sip.digest import read_digest
from sautikitd.voice.sip.wire import Arrival
from simulators.carrier.far_side import Phone
from voice.media.rtp_peer import sine

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTY = PARTIES[0]
PARTY_TONE = 440
CLEAR = 0.8  # of the power of what is heard


async def hear_each_other(phone: PagePhone, party: Phone) -> None:
    """Each a tone of the other's and hardly anything else. A browser that has no time to decode for a moment on a busy
    machine is listened to again."""
    saying = asyncio.ensure_future(party.peer.say(sine(PARTY_TONE, 2 * PATIENCE_S)))
    async with asyncio.timeout(PATIENCE_S):
        while await phone.hears(PARTY_TONE) < CLEAR:
            pass
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(party.peer, BROWSER_TONE):
            await asyncio.sleep(0.05)
    saying.cancel()


@pytest.mark.parametrize("library", ["jssip", "sip.js"])
async def test_a_browser_finds_the_challenge_it_knows_among_two(
    board: Switchboard, open_registered: OpenPhone, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, seen = board.parts.devices.guard, []

    async def watched(request: Arrival) -> Verdict:
        verdict = await DeviceGuard.authenticate(guard, request)
        proof = read_digest(request.header("Authorization"))
        seen.append((proof and proof["algorithm"], verdict))
        return verdict

    monkeypatch.setattr(guard, "authenticate", watched)
    await open_registered(library, "opus")
    (asked, demand), (answered, admitted) = seen
    assert asked is None
    assert isinstance(demand, Demand)
    assert ["algorithm=SHA-256" in demand.challenges[0], "algorithm=MD5" in demand.challenges[1]] == [
        True
    ] * 2
    assert answered == "MD5"
    assert isinstance(admitted, Admit)


@pytest.mark.parametrize(("library", "codec"), [("jssip", "opus"), ("sip.js", "PCMU")])
async def test_a_browser_calls_a_phone(
    board: Switchboard, open_registered: OpenPhone, library: str, codec: str
) -> None:
    phone = await open_registered(library, codec)
    calling = asyncio.ensure_future(phone.call("0712000001"))
    ringing = await board.exchange.ringing(PARTY)
    party = await ringing.answer()
    await calling
    await board.until_legs(CallStatus.ANSWERED)
    await hear_each_other(phone, party)
    facts = await phone.facts()
    assert facts["codec"].lower() == f"audio/{codec}".lower()
    assert (facts["dtls"], facts["remote"]) == ("connected", "host")
    await phone.hang_up()
    await hung_up(party)
    root = await board.over()
    assert root.quality is not None
    assert root.quality["codec"] == codec


async def test_a_browser_that_held_the_call_and_takes_it_back_is_heard_and_its_keys_are_told_on(
    board: Switchboard, open_registered: OpenPhone
) -> None:
    phone = await open_registered("jssip", "opus")
    calling = asyncio.ensure_future(phone.call("0712000001"))
    party = await (await board.exchange.ringing(PARTY)).answer()
    await calling
    await board.until_legs(CallStatus.ANSWERED)
    await phone.hold()
    await phone.resume()
    await hear_each_other(phone, party)
    await phone.press("5")
    async with asyncio.timeout(PATIENCE_S):
        while [key for _, key in party.peer.presses()] != ["5"]:
            await asyncio.sleep(0.05)
    await phone.hang_up()
    assert (await board.over()).status is CallStatus.COMPLETED


@pytest.mark.skipif(turn.installed() is None, reason="coturn is not installed (Debian: coturn)")
async def test_a_browser_behind_a_closed_firewall_is_heard_through_turn(
    board: Switchboard, open_registered: OpenPhone, turn_port: int, tmp_path: Path
) -> None:
    async with turn.coturn(tmp_path, turn_port):
        phone = await open_registered("jssip", "opus", relayed=True)
        calling = asyncio.ensure_future(phone.call("0712000001"))
        party = await (await board.exchange.ringing(PARTY)).answer()
        await calling
        await board.until_legs(CallStatus.ANSWERED)
        await hear_each_other(phone, party)
        facts = await phone.facts()
        assert (facts["local"], facts["remote"], facts["dtls"]) == ("relay", "host", "connected")
        await phone.hang_up()
        await board.over()


@pytest.mark.parametrize(("library", "codec"), [("jssip", "PCMU"), ("sip.js", "opus")])
async def test_a_browser_is_called(
    board: Switchboard, open_registered: OpenPhone, library: str, codec: str
) -> None:
    phone = await open_registered(library, codec)
    dial: list[object] = [{"dial": {"client": phone.name, "timeout": 20}}]
    async with callback_server(voice=[dial]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        party = await board.exchange.call(NUMBER)
        await phone.answer()
        await party.answered()
        await board.until_legs(CallStatus.ANSWERED)
        await hear_each_other(phone, party)
        facts = await phone.facts()
        assert facts["codec"].lower() == f"audio/{codec}".lower()
        await party.sip.bye()
        root = await board.over()
    (leg,) = [call for call in await board.calls() if call.parent_call_id]
    assert root.status is CallStatus.COMPLETED
    assert leg.quality is not None
    assert leg.quality["codec"] == codec
