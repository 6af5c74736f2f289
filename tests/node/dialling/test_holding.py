"""Hold inside a bridge: the one who waits hears music, and the conversation goes on when he is taken back."""

import pytest

from node.exchange import FIRST_NOTE, hears, hears_tone, hung_up, reoffer, until_music
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus


@pytest.mark.parametrize("caller_holds", [True, False])
@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_who_is_put_on_hold_hears_music_until_he_is_taken_back(
    board: Switchboard, caller_holds: bool, direction: str
) -> None:
    await board.route(forward_to=PARTIES[0])
    caller = await board.exchange.call(NUMBER)
    callee = await (await board.exchange.ringing(PARTIES[0])).answer()
    await caller.answered()
    await board.until_legs(CallStatus.ANSWERED)
    holder, other = (caller, callee) if caller_holds else (callee, caller)
    assert await hears(other.peer, holder.peer, 1000)

    await reoffer(holder, direction)
    await until_music(other)
    assert not await hears(other.peer, holder.peer, 1000)

    await reoffer(holder, "sendrecv")
    assert await hears(other.peer, holder.peer, 1000)
    assert await hears(holder.peer, other.peer, 440)
    assert not hears_tone(other.peer, FIRST_NOTE)
    await holder.sip.bye()
    await hung_up(other)
    await board.over()
