"""An attended transfer by JsSIP, which is nobody of ours: REFER with Replaces (RFC 3891, RFC 5589)."""

import asyncio

import pytest

from browser.conftest import BROWSER_TONE, OpenPhone
from node.exchange import PATIENCE_S, hears, hears_tone, hung_up
from node.switchboard import PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from simulators.carrier.far_side import Phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST, SECOND, _ = PARTIES


async def _talks(party: Phone) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(party.peer, BROWSER_TONE):
            await asyncio.sleep(0.05)


async def test_a_browser_puts_two_together_whom_it_has_called(
    board: Switchboard, open_registered: OpenPhone
) -> None:
    phone = await open_registered("jssip", "PCMU")
    calling = asyncio.ensure_future(phone.call("0712000001"))
    first = await (await board.exchange.ringing(FIRST)).answer()
    await calling
    await _talks(first)
    board.clock.advance(2)  # a call a second
    asking = asyncio.ensure_future(phone.ask("0712000002"))
    second = await (await board.exchange.ringing(SECOND)).answer()
    await asking
    await _talks(second)
    assert await phone.put_together() == ["accepted", "100", "200"]
    async with asyncio.timeout(PATIENCE_S):
        while not (await hears(first.peer, second.peer, 440) and await hears(second.peer, first.peer, 700)):
            continue
    board.clock.advance(10)
    await first.sip.bye()
    await hung_up(second)
    calls = await board.until_all(CallStatus.COMPLETED)
    legs = {call.to_address: call for call in calls if call.parent_call_id}
    assert all(legs[number].cost_minor > 0 for number in (FIRST, SECOND))
