"""Who offers and who answers, seen where it counts: in the packets that a leg sends."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import SystemClock
from sautikitd.flow.port import LegGone
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media_pool import MediaPool
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import user_agent
from voice.sip.parties import Callee
from voice.sip.raw_peer import RawPeer

SDP_TYPE = [("Content-Type", "application/sdp")]


class Answers:
    async def answered(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        """Nothing to store."""


class Phone:
    """The caller's media: a socket that hears packets."""

    def __init__(self) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    def describe(self, *codecs: sdp.Codec) -> bytes:
        return sdp.offer("127.0.0.1", self.socket.getsockname()[1], session_id=3, codecs=codecs).encode()

    async def payload_type(self) -> int:
        async with asyncio.timeout(3):
            packet = await asyncio.get_running_loop().sock_recv(self.socket, 2048)
        return packet[1] & 0x7F


@pytest.fixture
def phone() -> Iterator[Phone]:
    made = Phone()
    yield made
    made.socket.close()


class Exchange:
    def __init__(self, agent: UserAgent, callee: Callee, engine: VoiceEngine) -> None:
        self.port = agent.bound[1]
        self._callee = callee
        self._engine = engine

    async def leg(self) -> InboundLeg:
        call = await self._callee.call()
        prompts: Any = None  # nothing is said here
        return self._engine.accept(uuid4(), call, ("PCMU", "PCMA"), prompts, Answers())


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with _exchange() as made:
        yield made


@pytest.fixture
async def impatient(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Exchange]:
    """One whose media process takes two seconds for a minute."""
    monkeypatch.setattr(MediaClient, "spawn", partial(MediaClient.spawn, silent_after_s=2.0))
    async with _exchange() as made:
        yield made


@asynccontextmanager
async def _exchange() -> AsyncIterator[Exchange]:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        book: Any = None  # nothing is recorded here
        engine = VoiceEngine(
            agent,
            MediaPool(bind_address="127.0.0.1", port_range=(0, 0)),
            addresses=("127.0.0.1",),
            domain="sautikit.example",
            book=book,
            clock=SystemClock(),
        )
        await engine.start()
        yield Exchange(agent, callee, engine)
        await engine.close()


async def answered_without_offer(exchange: Exchange, peer: RawPeer, answer: bytes) -> tuple[InboundLeg, str]:
    peer.call(exchange.port, "INVITE", branch="a")
    leg = await exchange.leg()
    answering = asyncio.create_task(leg.answer())
    accepted = await peer.response()
    assert [codec.name for codec in sdp.parse(accepted.sdp or b"").codecs][:2] == ["PCMU", "PCMA"]
    assert not answering.done()
    tag = accepted.to.tag or ""
    peer.call(exchange.port, "ACK", branch="b", to_tag=tag, headers=SDP_TYPE, body=answer)
    await answering
    return leg, tag


async def test_an_answer_in_the_ack_says_where_and_how_to_send(
    exchange: Exchange, peer: RawPeer, phone: Phone
) -> None:
    leg, _ = await answered_without_offer(exchange, peer, phone.describe(sdp.PCMA))
    await leg.warn()
    assert await phone.payload_type() == 8
    leg.end(HangupCause.NORMAL_CLEARING)
    peer.answer(await peer.request("BYE"), 200)


async def test_an_ack_without_its_answer_ends_the_call(exchange: Exchange, peer: RawPeer) -> None:
    peer.call(exchange.port, "INVITE", branch="a")
    leg = await exchange.leg()
    answering = asyncio.create_task(leg.answer())
    tag = (await peer.response()).to.tag
    peer.call(exchange.port, "ACK", branch="b", to_tag=tag)
    peer.answer(await peer.request("BYE"), 200)
    with pytest.raises(LegGone):
        await answering
    assert (await leg.gone()).cause is HangupCause.MEDIA_INCOMPATIBLE


async def test_a_reinvite_without_offer_moves_the_sound_by_its_ack(
    exchange: Exchange, peer: RawPeer, phone: Phone
) -> None:
    nobody = sdp.offer("0.0.0.0", 9, session_id=3, codecs=(sdp.PCMU,)).encode()  # the old way to hold
    leg, tag = await answered_without_offer(exchange, peer, nobody)
    peer.call(exchange.port, "INVITE", branch="c", cseq=2, to_tag=tag)
    ours = sdp.parse((await peer.response()).sdp or b"")
    assert ours.direction is sdp.Direction.SENDRECV
    answer = phone.describe(sdp.PCMA)
    peer.call(exchange.port, "ACK", branch="d", cseq=2, to_tag=tag, headers=SDP_TYPE, body=answer)
    await leg.warn()
    assert await phone.payload_type() == 8
    leg.end(HangupCause.NORMAL_CLEARING)
    peer.answer(await peer.request("BYE"), 200)


async def test_a_reinvite_with_another_address_moves_the_sound(
    exchange: Exchange, peer: RawPeer, phone: Phone
) -> None:
    elsewhere = Phone()
    try:
        offer = phone.describe(sdp.PCMA)
        peer.call(exchange.port, "INVITE", branch="a", headers=SDP_TYPE, body=offer)
        leg = await exchange.leg()
        answering = asyncio.create_task(leg.answer())
        tag = (await peer.response()).to.tag or ""
        peer.call(exchange.port, "ACK", branch="b", to_tag=tag)
        await answering
        await leg.warn()
        assert await phone.payload_type() == 8
        moved = elsewhere.describe(sdp.PCMA)
        peer.call(exchange.port, "INVITE", branch="c", cseq=2, to_tag=tag, headers=SDP_TYPE, body=moved)
        assert (await peer.response()).response.code == 200
        peer.call(exchange.port, "ACK", branch="d", cseq=2, to_tag=tag)
        await leg.warn()
        assert await elsewhere.payload_type() == 8
        leg.end(HangupCause.NORMAL_CLEARING)
        peer.answer(await peer.request("BYE"), 200)
    finally:
        elsewhere.socket.close()


@pytest.mark.parametrize("still_there", [True, False], ids=["the dialog lives", "the dialog is gone"])
async def test_after_a_minute_without_a_packet_the_dialog_is_asked_and_a_dead_one_ends_with_the_last_packet(
    impatient: Exchange, peer: RawPeer, phone: Phone, still_there: bool
) -> None:
    offer = phone.describe(sdp.PCMA)
    peer.call(impatient.port, "INVITE", branch="a", headers=SDP_TYPE, body=offer)
    leg = await impatient.leg()
    answering = asyncio.create_task(leg.answer())
    tag = (await peer.response()).to.tag or ""
    peer.call(impatient.port, "ACK", branch="b", to_tag=tag)
    await answering
    probe = await peer.request("OPTIONS", seconds=8)  # nothing was ever sent to us
    if still_there:
        peer.answer(probe, 200)
        await asyncio.sleep(0.3)  # the answer is dealt with, and changes nothing
        assert not leg.ended
        leg.end(HangupCause.NORMAL_CLEARING)
    else:
        peer.answer(probe, 481)
        end = await leg.gone()
        assert (end.cause, end.at) == (HangupCause.MEDIA_TIMEOUT, leg.answered_at)
