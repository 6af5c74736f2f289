"""The two ends of a call as a test writes them: one who places it, one who takes it."""

import asyncio
from typing import TypeVar

from sautikitd.voice.sip.address import NameAddr, sip_uri
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import Acknowledged, Answered, Event
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import OUR_SDP

E = TypeVar("E", bound=Event)


async def place(agent: UserAgent, hop: Hop, credentials: Credentials | None = None) -> OutboundCall:
    prepared = agent.prepare_invite(
        target=sip_uri("+254711000001", hop.host, hop.port),
        hop=hop,
        local=NameAddr("sip:+254709000001@sautikit.example", "Sauti"),
        asserted_identity="sip:+254709000001@sautikit.example",
    )
    return await agent.send_invite(prepared, OUR_SDP, credentials=credentials)


async def until(call: OutboundCall | InboundCall, kind: type[E]) -> E:
    """The next event of a kind; others are passed over."""
    async with asyncio.timeout(8):
        while (event := await call.next_event()) is not None:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the call ended without {kind.__name__}")


class Callee:
    """Collects inbound calls for a test to handle."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[InboundCall] = asyncio.Queue()

    async def take(self, call: InboundCall) -> None:
        self._calls.put_nowait(call)

    async def call(self) -> InboundCall:
        async with asyncio.timeout(5):
            return await self._calls.get()

    @property
    def waiting(self) -> int:
        """Calls that came and were not looked at."""
        return self._calls.qsize()


async def connect(near: UserAgent, hop: Hop, callee: Callee) -> tuple[OutboundCall, InboundCall]:
    """A call answered and acknowledged: both its ends."""
    call = await place(near, hop)
    taken = await callee.call()
    await taken.answer(OUR_SDP)
    await until(call, Answered)
    await until(taken, Acknowledged)
    return call, taken
