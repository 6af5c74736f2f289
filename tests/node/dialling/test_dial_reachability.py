"""A paid dial waits for the caller's ACK where his address over UDP proves nothing (contract §12, Destinations)."""

from ipaddress import ip_address

import pytest

from node.exchange import hears
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.voice.sip.events import Progress


@pytest.fixture
def callers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback cannot be forged from outside and counts as proof; here every caller seems to come from the internet."""
    elsewhere = ip_address("198.51.100.7")
    monkeypatch.setattr("sautikitd.voice.inbound_leg.ip_address", lambda _: elsewhere)


@pytest.mark.usefixtures("callers_elsewhere")
async def test_a_caller_over_udp_is_answered_and_acknowledges_before_anybody_is_rung_for_him(
    board: Switchboard,
) -> None:
    await board.route(forward_to=PARTIES[0])
    caller = await board.exchange.call(NUMBER)
    await caller.answered()
    assert not any(isinstance(event, Progress) and event.code == 180 for event in caller.events)
    callee = await (await board.exchange.ringing(PARTIES[0])).answer()
    await board.until_legs(CallStatus.ANSWERED)
    assert await hears(callee.peer, caller.peer, 440)
    await caller.sip.bye()
    await board.over()
