"""An attended transfer whose two dialogs are on different nodes: the one that is asked knows only its own."""

import asyncio
from pathlib import Path

from node.exchange import PATIENCE_S, hears, hung_up
from node.referrer import Referrer
from node.second_node import second_node
from node.softphone import credential, softphone
from node.switchboard import PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from simulators.carrier.far_side import Phone

FIRST, SECOND, _ = PARTIES


async def _connected(one: Phone, other: Phone) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await hears(one.peer, other.peer, 440) and await hears(other.peer, one.peer, 1000)):
            continue


async def test_it_is_declined_and_both_conversations_go_on(board: Switchboard, tmp_path: Path) -> None:
    made = await credential(board)
    async with (
        second_node(board, tmp_path / "second") as (_, there),
        softphone(board, made=made) as here,
        softphone(board, made=made, at=there) as elsewhere,
    ):
        near = await here.dial(FIRST)
        first = await (await board.exchange.ringing(FIRST)).answer()
        await near.answered()
        board.clock.advance(2)  # a call a second
        asking = await elsewhere.dial(SECOND)
        second = await (await board.exchange.ringing(SECOND)).answer()
        await asking.answered()
        assert await Referrer(near).refer_to(SECOND, replaces=asking) == 603
        await _connected(near, first)
        await _connected(asking, second)
        for phone, party in ((near, first), (asking, second)):
            await phone.sip.bye()
            await hung_up(party)
        await board.until_all(CallStatus.COMPLETED)
