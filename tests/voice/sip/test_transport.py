"""UDP and TCP on one port: framing, keep-alives, size, reuse, and nothing left behind."""

import asyncio
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.events import Answered, Failed, Progress, RemoteBye
from sautikitd.voice.sip.framing import MAX_HEAD, BrokenStream, StreamFramer
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.user_agent import Gauges, UserAgent
from sautikitd.voice.sip.websocket import WebSocketOptions
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, OUR_SDP, user_agent
from voice.sip.manual_timers import ManualScheduler
from voice.sip.parties import Callee, connect, place, until
from voice.sip.raw_peer import RawPeer

OPTIONS = (
    b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK%d\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c%d\r\nCSeq: 1 OPTIONS\r\nl: 3\r\n\r\nabc"
)


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), max_size=12))
def test_messages_are_found_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = (
        b"\r\n\r\n" + OPTIONS % (1, 1) + b"\r\n" + OPTIONS % (2, 2) + b"\r\n\r\n\r\n\r\n" + OPTIONS % (3, 3)
    )
    framer, messages, pings = StreamFramer(), [], 0
    for size in [*cuts, len(stream)]:
        found, rung = framer.feed(stream[:size])
        stream = stream[size:]
        messages += found
        pings += rung
    assert messages == [OPTIONS % (n, n) for n in (1, 2, 3)]


def test_a_double_line_end_is_a_ping_and_a_single_one_is_not() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n") == ([], 1)
    assert framer.feed(b"\r\n") == ([], 0)


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nl: 999999\r\n\r\n",
        b"x" * (MAX_HEAD + 1),
    ],
)
def test_a_stream_that_cannot_be_followed_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenStream):
        StreamFramer().feed(data)


async def test_a_tcp_peer_gets_pong_and_answers_on_its_connection(agent: UserAgent) -> None:
    reader, writer = await asyncio.open_connection(*agent.bound)
    writer.write(b"\r\n\r\n")
    assert await reader.readexactly(2) == b"\r\n"
    message = OPTIONS % (1, 1)
    writer.write(message[:70])
    await writer.drain()
    writer.write(message[70:])
    assert (await reader.readline()).startswith(b"SIP/2.0 200")
    assert agent.gauges.connections == 1
    writer.close()
    await writer.wait_closed()


async def test_a_broken_stream_loses_its_connection(agent: UserAgent) -> None:
    reader, writer = await asyncio.open_connection(*agent.bound)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    assert agent.gauges.connections == 0


async def test_an_idle_connection_is_closed() -> None:
    async with user_agent(idle_seconds=0.05) as agent:
        reader, writer = await asyncio.open_connection(*agent.bound)
        assert await reader.read() == b""
        writer.close()
        assert agent.gauges.connections == 0


async def test_garbage_gets_no_answer_and_is_counted(agent: UserAgent, peer: RawPeer) -> None:
    for data in (b"\x00" * 50, b"hello", b"INVITE sip:x SIP/2.0\r\n\r\n", b"\r\n\r\n"):
        peer.send(data, agent.bound[1])
    assert await peer.silence()
    assert agent.malformed == 2


@pytest.mark.parametrize("allow_tcp", [True, False])
async def test_a_large_invite_goes_by_tcp_where_the_trunk_allows(agent: UserAgent, allow_tcp: bool) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as far:
        hop = Hop(host="127.0.0.1", port=far.bound[1], allow_tcp=allow_tcp)
        target = f"sip:x@127.0.0.1:{hop.port}"
        prepared = agent.prepare_invite(
            target=target, hop=hop, local=NameAddr("sip:me@127.0.0.1"), headers=[("X-Long", "x" * 1200)]
        )
        call = await agent.send_invite(prepared, OUR_SDP)
        taken = await callee.call()
        assert taken.source.transport is (Transport.TCP if allow_tcp else Transport.UDP)
        await taken.answer(OUR_SDP)
        await until(call, Answered)
        assert await call.bye() == 200


async def test_the_advertised_address_stands_in_via_and_contact(peer: RawPeer) -> None:
    agent = UserAgent(timers=FAST)
    await agent.start(("127.0.0.1", 0), ("sip.sautikit.example", 5999))
    await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    assert (invite.via.host, invite.via.port) == ("sip.sautikit.example", 5999)
    assert "@sip.sautikit.example:5999>" in invite.header("Contact")
    assert invite.header("User-Agent") == "Sautikit"
    await agent.stop()


async def test_calls_go_over_ipv6(transport: Transport) -> None:
    callee = Callee()
    async with user_agent(host="::1") as near, user_agent(host="::1", on_invite=callee.take) as far:
        call, taken = await connect(near, Hop(host="::1", port=far.bound[1], transport=transport), callee)
        assert await taken.bye() == 200
        await until(call, RemoteBye)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_who_has_one_family_only_is_told_of_our_address_of_that(
    host: str, transport: Transport
) -> None:
    """ACK and BYE come to our Contact, both ways: a far end of one family could not send them to the other's."""
    called = Callee()
    agent, callee = UserAgent(timers=FAST, on_invite=called.take), Callee()
    await agent.start(("::", 0), ("127.0.0.1", None), beside=("127.0.0.1", "::1"))
    async with user_agent(host=host, on_invite=callee.take) as far:
        call, taken = await connect(agent, Hop(host=host, port=far.bound[1], transport=transport), callee)
        assert await taken.bye() == 200
        await until(call, RemoteBye)
        call, taken = await connect(far, Hop(host=host, port=agent.bound[1], transport=transport), called)
        assert await call.bye() == 200
        await until(taken, RemoteBye)
    await agent.stop()


async def test_everywhere_means_both_families_on_every_transport(tmp_path: Path) -> None:
    shown = Authority(tmp_path).options("sip.sautikit.example")
    agent = UserAgent(timers=FAST)
    sockets = [WebSocketOptions(host="::", port=0)]
    await agent.start(("::", 0), ("127.0.0.1", None), tls=shown, websockets=sockets)
    ports = agent.bound[1], agent.bound_tls, agent.bound_websocket(Transport.WS)
    for host in ("127.0.0.1", "::1"):
        for port in ports:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    with pytest.raises(OSError, match="already in use"):
        await UserAgent(timers=FAST).start(("::", agent.bound[1]), ("127.0.0.1", None))
    await agent.stop()


async def test_a_wildcard_bind_needs_an_address_to_advertise() -> None:
    agent = UserAgent(timers=FAST)
    with pytest.raises(ValueError, match="advertise"):
        await agent.start(("0.0.0.0", 0))


async def test_a_taken_port_is_an_error(agent: UserAgent) -> None:
    with pytest.raises(OSError, match="already in use"):
        await UserAgent(timers=FAST).start(agent.bound)


async def many_calls(transport: Transport, count: int) -> tuple[Gauges, Gauges]:
    """Places calls from one agent to another, hangs up, lets all timers ring; the gauges at the end."""
    clock, callee = ManualScheduler(), Callee()
    async with user_agent(scheduler=clock) as near, user_agent(on_invite=callee.take, scheduler=clock) as far:
        hop = Hop(host="127.0.0.1", port=far.bound[1], transport=transport)
        for _ in range(count):
            call, taken = await connect(near, hop, callee)
            assert await call.bye() == 200
            await until(taken, RemoteBye)
        clock.advance(40)
        return near.gauges, far.gauges


async def test_after_many_calls_nothing_is_left(transport: Transport) -> None:
    expected = 1 if transport is Transport.TCP else 0
    for gauges in await many_calls(transport, 50):
        assert gauges == Gauges(0, 0, expected)


def test_it_runs_on_uvloop(transport: Transport) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gauges, _ = runner.run(many_calls(transport, 20))
    assert gauges.dialogs == 0


async def test_a_connection_lost_while_ringing_fails_the_call_at_once(agent: UserAgent) -> None:
    async def ring_and_vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        kept = [line for line in head if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
        writer.write("\r\n".join(["SIP/2.0 180 Ringing", *kept, "l: 0", "", ""]).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(ring_and_vanish, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        call = await place(agent, Hop(host="127.0.0.1", port=port, transport=Transport.TCP))
        assert (await until(call, Progress)).code == 180
        async with asyncio.timeout(1):
            failed = await until(call, Failed)
    assert (failed.code, failed.local) == (503, True)
    assert agent.gauges == Gauges(0, 0, 0)
