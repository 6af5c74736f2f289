"""Every message of RFC 4475 against a running agent, and valid messages mutated at random."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.provisional import read_rack, rseq_of
from sautikitd.voice.sip.reoffers import direction_of, same_media_answer
from sautikitd.voice.sip.sdp_errors import SdpError
from sautikitd.voice.sip.session_timer import terms_of_request, too_small
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import MalformedMessage, arrival, read_message, write_message
from voice.sip.far_end import OUR_SDP, user_agent
from voice.sip.raw_peer import RawPeer, raw_peer
from voice.sip.torture import BUSY, MESSAGES, VALID, Torture

PIECES = [b"\r\n", b" ", b";", b",", b'"', b"<", b">", b"%00", b"=", b":", b"@", b"\t", b"\xff", b"9" * 40]


@pytest.fixture
async def refusing() -> AsyncIterator[UserAgent]:
    async def refuse(call: InboundCall) -> None:
        call.reject(BUSY)

    async with user_agent(on_invite=refuse) as made:
        yield made


async def answer_to(message: Torture, agent: UserAgent, peer: RawPeer) -> int | None:
    peer.send(message.data.replace(b";branch=", b";rport;branch=", 1), agent.bound[1])
    try:
        return (await peer.response(seconds=0.4)).response.code
    except TimeoutError:
        return None


def test_the_set_is_complete() -> None:
    chapters = {"3.1.1": 13, "3.1.2": 19, "3.3": 15}
    wanted = [f"{chapter}.{n}" for chapter, count in chapters.items() for n in range(1, count + 1)]
    assert {message.section for message in MESSAGES} == {*wanted, "3.2.1", "3.4.1"}


async def test_every_torture_message_gets_its_verdict(refusing: UserAgent) -> None:
    async def judge(message: Torture) -> tuple[str, int | None]:
        async with raw_peer() as peer:
            return message.name, await answer_to(message, refusing, peer)

    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    verdicts = dict(await asyncio.gather(*(judge(message) for message in MESSAGES)))
    assert verdicts == {message.name: message.verdict for message in MESSAGES}
    assert faults == []
    assert refusing.gauges.dialogs == 0


@settings(deadline=1000, max_examples=300)
@given(st.integers(0, len(VALID) - 1), st.randoms(use_true_random=False))
def test_a_mutated_message_never_does_worse_than_malformed(number: int, rng: random.Random) -> None:
    data = bytearray(VALID[number].data)
    for _ in range(rng.randint(1, 8)):
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.choice([0, 1, 1, 5, 60]))
        piece = rng.choice([*PIECES, bytes(data[start:end]) * rng.choice([2, 200])])
        data[start : rng.choice([start, end])] = piece
    try:
        read = arrival(read_message(bytes(data)), Source(Transport.UDP, "192.0.2.1", 5060))
    except MalformedMessage:
        return
    write_message(read.message)
    terms_of_request(read)
    too_small(read)
    read_rack(read.header("RAck"))
    rseq_of(read)


@settings(deadline=1000, max_examples=300)
@given(st.randoms(use_true_random=False))
def test_a_mutated_description_never_does_worse_than_an_sdp_error(rng: random.Random) -> None:
    lines = OUR_SDP.split(b"\r\n")
    for _ in range(rng.randint(1, 5)):
        line = bytearray(rng.choice(lines))
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(line) + 1)
            line[at : at + rng.randint(0, 2)] = rng.choice(PIECES)
        lines.insert(rng.randrange(len(lines)), bytes(line))
    data = b"\r\n".join(lines)
    direction_of(data)
    try:
        same_media_answer(data, OUR_SDP)
    except SdpError:
        return
