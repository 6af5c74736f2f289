"""The platform's side of a simulated call, as the tests play it: SIP by a user agent, RTP by the independent peer."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sautikitd.clock import ManualClock
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.events import Answered, Event
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from voice.media.rtp_peer import Peer

PATIENCE_S = 12.0


class WatchedClock(ManualClock):
    """Moves when told, and tells what waits for it."""

    def __init__(self, start: datetime | None = None) -> None:
        super().__init__(start)
        self._asked: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        self._asked.put_nowait(seconds)
        await super().sleep(seconds)

    async def asked_for(self, seconds: float) -> None:
        """Until somebody sleeps that long."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._asked.get() != seconds:
                continue

    async def pass_by(self, seconds: float) -> None:
        """Until somebody sleeps that long, and over it."""
        await self.asked_for(seconds)
        self.advance(seconds)


class Phone:
    """One call with sound: the dialog, and the peer that hears and speaks."""

    def __init__(self, sip: OutboundCall | InboundCall, peer: Peer) -> None:
        self.sip = sip
        self.peer = peer
        self.events: list[Event] = []

    async def until(self, kind: type[Event], within_s: float = PATIENCE_S) -> Event:
        """The next event of a kind; `events` keeps all that passed."""
        async with asyncio.timeout(within_s):
            while (event := await self.sip.next_event()) is not None:
                self.events.append(event)
                if isinstance(event, kind):
                    return event
        raise AssertionError(f"the call ended without {kind.__name__}, after {self.events}")

    async def answered(self) -> None:
        """Waits for the answer; the peer sends to where it says."""
        event = await self.until(Answered)
        assert isinstance(event, Answered)
        assert event.sdp
        self.send_to(event.sdp)

    def send_to(self, description: bytes) -> None:
        theirs = sdp.parse(description)
        self.peer.to = (theirs.address, theirs.port)

    async def press(self, keys: str) -> None:
        for key in keys:
            await self.peer.pace(self.peer.press(key))


def description_of(peer: Peer) -> bytes:
    return sdp.offer("127.0.0.1", peer.port, session_id=peer.port).encode()


class FarSide:
    """Places calls to the carrier at `target`, each with a peer of its own."""

    def __init__(self, agent: UserAgent, target: tuple[str, int]) -> None:
        self._agent = agent
        self._hop = Hop(host=target[0], port=target[1])
        self._peers: list[Peer] = []

    def peer(self) -> Peer:
        made = Peer()
        self._peers.append(made)
        return made

    async def call(self, number: str) -> Phone:
        peer = self.peer()
        prepared = self._agent.prepare_invite(
            target=f"sip:{number}@{self._hop.host}:{self._hop.port}",
            hop=self._hop,
            local=NameAddr("sip:+254709000001@sautikit.example"),
        )
        return Phone(await self._agent.send_invite(prepared, description_of(peer)), peer)

    def close(self) -> None:
        for peer in self._peers:
            peer.close()


async def eventually(met: Callable[[], bool]) -> None:
    """Waits for something to become true of sockets and processes outside."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            await asyncio.sleep(0.005)
