"""The telephone network of the tests: SIP on one port, an independent RTP peer for every party."""

import asyncio
from typing import Self

from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.events import RemoteBye
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from simulators.carrier.far_side import Phone, description_of
from voice.media.rtp_peer import Peer, Samples, level, sine
from voice.sip.far_end import FAST

PATIENCE_S = 30.0
FIRST_NOTE = 261.6
"""Of the hold music."""


class Ringing:
    """A phone that rings: the INVITE, not answered yet."""

    def __init__(self, sip: InboundCall, peer: Peer) -> None:
        self.sip = sip
        self.peer = peer

    def alert(self) -> None:
        self.sip.ring(180)

    def early_media(self) -> None:
        self._hear_caller()
        self.sip.ring(183, description_of(self.peer))

    async def answer(self, *, tones_only: bool = False) -> Phone:
        """`tones_only`: as a phone that knows no telephone-event."""
        self._hear_caller()
        described = description_of(self.peer)
        await self.sip.answer(_without_events(described) if tones_only else described)
        return Phone(self.sip, self.peer)

    def refuse(self, code: int) -> None:
        self.sip.reject(code)

    def _hear_caller(self) -> None:
        assert self.sip.offer
        Phone(self.sip, self.peer).send_to(self.sip.offer)


class Exchange:
    """Phones called by the platform, and callers of its own. A context manager."""

    def __init__(self) -> None:
        self._agent = UserAgent(on_invite=self._take, timers=FAST)
        self._rung: dict[str, asyncio.Queue[InboundCall]] = {}
        self._peers: list[Peer] = []
        self.node: Hop | None = None

    async def __aenter__(self) -> Self:
        await self._agent.start(("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self._peers:
            peer.close()
        await self._agent.stop()

    @property
    def port(self) -> int:
        return self._agent.bound[1]

    async def ringing(self, number: str) -> Ringing:
        """The next call to a number."""
        async with asyncio.timeout(PATIENCE_S):
            return Ringing(await self._queue(number).get(), self._peer())

    async def call(self, number: str, caller: str = "+254733000001") -> Phone:
        """Calls the platform."""
        assert self.node is not None
        peer = self._peer()
        prepared = self._agent.prepare_invite(
            target=f"sip:{number}@{self.node.host}:{self.node.port}",
            hop=self.node,
            local=NameAddr(f"sip:{caller}@127.0.0.1"),
        )
        return Phone(await self._agent.send_invite(prepared, description_of(peer)), peer)

    def called(self, number: str) -> int:
        """Calls to a number that nobody has looked at."""
        return self._queue(number).qsize()

    async def _take(self, call: InboundCall) -> None:
        self._queue(call.called).put_nowait(call)

    def _queue(self, number: str) -> "asyncio.Queue[InboundCall]":
        return self._rung.setdefault(number, asyncio.Queue())

    def _peer(self) -> Peer:
        made = Peer()
        self._peers.append(made)
        return made


def _without_events(description: bytes) -> bytes:
    lines = [line for line in description.split(b"\r\n") if b":101 " not in line]
    return b"\r\n".join(line.removesuffix(b" 101") for line in lines)


async def hears(listener: Peer, speaker: Peer, hertz: float) -> bool:
    """Whether a tone of the one is what the other hears, for a tenth of a second, until half a second after it."""
    before = len(listener.heard())
    await speaker.say(sine(hertz, 0.8))
    async with asyncio.timeout(PATIENCE_S):
        while not (heard := hears_tone(listener, hertz)) and len(listener.heard()) < before + 10_400:
            await asyncio.sleep(0.02)
    return heard


def hears_tone(listener: Peer, hertz: float) -> bool:
    """Whether the last 0.8 s held that tone for at least a tenth of a second."""
    return holds_tone(listener.recent(0.8), hertz)


def holds_tone(samples: Samples, hertz: float, amplitude: float = 3000) -> bool:
    pieces = [samples[start : start + 800] for start in range(0, len(samples) - 799, 400)]
    return any(level(piece, hertz) > amplitude for piece in pieces)


def keys_of(phone: Phone) -> str:
    """The keys that have reached it as events, so far."""
    return "".join(key for _, key in phone.peer.presses())


async def reoffer(phone: Phone, direction: str) -> None:
    """A re-INVITE: `sendonly` and `inactive` put the call on hold, `sendrecv` takes it back."""
    offer = description_of(phone.peer).replace(b"a=sendrecv", f"a={direction}".encode())
    assert f"a={direction}".encode() in offer
    assert phone.sip.dialog
    assert (await phone.sip.dialog.reinvite(offer)).ok


async def until_music(phone: Phone) -> None:
    """Waits for the hold music."""
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(phone.peer, FIRST_NOTE):
            await asyncio.sleep(0.02)


async def until_heard(listener: Phone, speaker: Phone) -> None:
    """Until the one hears the other, who may have been on hold."""
    async with asyncio.timeout(PATIENCE_S):
        while not await hears(listener.peer, speaker.peer, 1000):
            continue


async def hung_up(phone: Phone) -> None:
    """Waits for the platform's BYE."""
    await phone.until(RemoteBye)
