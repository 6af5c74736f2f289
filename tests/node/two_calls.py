"""Two phones at two voice nodes, each in a conversation, and what an attended transfer makes of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from node.exchange import PATIENCE_S, hears, hung_up
from node.referrer import Referrer
from node.second_node import second_node
from node.softphone import Softphone, credential, softphone
from node.switchboard import PARTIES, Switchboard
from sautikitd.devices.models import NewSecret
from sautikitd.roles.voice import Parts
from sautikitd.voice.sip.hops import Hop
from simulators.carrier.far_side import Phone

FIRST, SECOND, THIRD = PARTIES


@dataclass
class TwoCalls:
    """Of one phone: `near` talks with `first` on the board's node, `asking` with `second` on the other one, `there`."""

    near: Phone
    first: Phone
    asking: Phone
    second: Phone
    there: Parts
    at: Hop

    async def put_together(self) -> None:
        """Ends both calls of the phone; `first` and `second` talk from then on."""
        await self.replace()
        await connected(self.first, self.second)

    async def replace(self) -> None:
        assert await Referrer(self.near).refer_to(SECOND, replaces=self.asking) == 202
        await hung_up(self.near)
        await hung_up(self.asking)

    async def talk_on(self) -> None:
        await connected(self.near, self.first)
        await connected(self.asking, self.second)


async def connected(one: Phone, other: Phone) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await hears(one.peer, other.peer, 440) and await hears(other.peer, one.peer, 1000)):
            continue


@asynccontextmanager
async def phones(
    board: Switchboard, folder: Path, *, other: NewSecret | None = None
) -> AsyncIterator[tuple[Softphone, Softphone, Parts]]:
    """One phone at each of two nodes; the second has the credential `other`, else the same as the first."""
    made = await credential(board)
    async with (
        second_node(board, folder / "second") as (parts, there),
        softphone(board, made=made) as here,
        softphone(board, made=other or made, at=there) as elsewhere,
    ):
        yield here, elsewhere, parts


async def dials(
    board: Switchboard, phone: Softphone, number: str, *, tones_only: bool = False
) -> tuple[Phone, Phone]:
    board.clock.advance(2)  # a call a second
    near = await phone.dial(number)
    far = await (await board.exchange.ringing(number)).answer(tones_only=tones_only)
    await near.answered()
    return near, far


@asynccontextmanager
async def two_calls(
    board: Switchboard,
    folder: Path,
    *,
    other: NewSecret | None = None,
    tones_only: tuple[bool, bool] = (False, False),
) -> AsyncIterator[TwoCalls]:
    """`tones_only` of `first` and of `second`."""
    async with phones(board, folder, other=other) as (here, elsewhere, there):
        near, first = await dials(board, here, FIRST, tones_only=tones_only[0])
        asking, second = await dials(board, elsewhere, SECOND, tones_only=tones_only[1])
        calls = TwoCalls(near, first, asking, second, there, elsewhere.hop)
        await calls.talk_on()
        yield calls


async def until_left(board: Switchboard, *wanted: str) -> None:
    """The calls that are still going on go to these numbers."""
    async with asyncio.timeout(PATIENCE_S):
        while [one.to_address for one in await board.calls() if not one.status.terminal] != list(wanted):
            await asyncio.sleep(0.02)
