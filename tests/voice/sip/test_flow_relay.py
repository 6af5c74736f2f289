"""What the relay between nodes and devices refuses to carry: nobody can have a node send where he likes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.events import Failed
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.relay import FlowTokens, FlowWay
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import FAST, OUR_SDP
from voice.sip.parties import Callee, until
from voice.sip.raw_peer import raw_peer

KEY = b"k" * 32


@asynccontextmanager
async def _node(key: bytes = KEY) -> AsyncIterator[UserAgent]:
    node = UserAgent(flow_key=key, timers=FAST)
    await node.start(("127.0.0.1", 0))
    try:
        yield node
    finally:
        await node.stop()


def _request(method: str, route: str, *, port: int, tag: str = "") -> bytes:
    lines = [
        f"{method} sip:somebody@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKstranger{method}",
        "From: <sip:stranger@127.0.0.1>;tag=stranger",
        f"To: <sip:somebody@127.0.0.1>{tag}",
        "Call-ID: strange",
        f"CSeq: 1 {method}",
        f"Contact: <sip:stranger@127.0.0.1:{port}>",
        f"Route: <{route};lr>",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def _place(agent: UserAgent, device: Hop, holder: UserAgent) -> Failed:
    prepared = agent.prepare_invite(
        target="sip:device@127.0.0.1", hop=device, local=NameAddr("sip:us@127.0.0.1"), holder=holder.bound
    )
    return await until(await agent.send_invite(prepared, OUR_SDP), Failed)


async def test_a_call_for_a_connection_that_is_gone_fails_at_once_and_leaves_nothing() -> None:
    async with _node() as holder, _node() as home:
        device = Hop(host="127.0.0.1", port=9, transport=Transport.WS, fixed=True)
        failed = await _place(home, device, holder)
        assert (failed.code, failed.local) == (430, False)
        assert (holder.gauges.transactions, holder.gauges.dialogs) == (0, 0)


async def test_a_token_under_another_key_is_no_order_to_send_anything() -> None:
    async with _node() as holder, _node(b"x" * 32) as stranger, raw_peer() as victim:
        device = Hop(host="127.0.0.1", port=victim.port, transport=Transport.UDP, fixed=True)
        assert (await _place(stranger, device, holder)).code == 480  # taken for a call to the node itself
        assert await victim.silence(0.05)


async def test_a_device_reaches_calls_that_are_up_and_opens_none_over_its_token() -> None:
    callee = Callee()
    home = UserAgent(on_invite=callee.take, timers=FAST)
    await home.start(("127.0.0.1", 0))
    try:
        async with _node() as holder, raw_peer() as device:
            way = FlowWay(False, Transport.UDP, ("127.0.0.1", device.port), home.bound)
            route = f"sip:{FlowTokens(KEY).seal(way)}@127.0.0.1:{holder.bound[1]}"
            device.send(_request("INVITE", route, port=device.port), holder.bound[1])
            assert await device.silence(0.2)
            assert callee.waiting == 0
            device.send(_request("BYE", route, port=device.port, tag=";tag=gone"), holder.bound[1])
            assert (await device.response()).response.code == 481  # carried there and back
    finally:
        await home.stop()


async def test_an_answer_whose_way_back_we_did_not_seal_is_dropped() -> None:
    async with _node() as holder, raw_peer() as stranger, raw_peer() as victim:
        for branch in ("z9hG4bKflow.AAAA", f"z9hG4bKflow.{FlowTokens(b'x' * 32).seal(_way(victim.port))}"):
            lines = [
                "SIP/2.0 200 OK",
                f"Via: SIP/2.0/UDP 127.0.0.1:{holder.bound[1]};branch={branch}",
                f"Via: SIP/2.0/UDP 127.0.0.1:{victim.port};branch=z9hG4bKx",
                "From: <sip:a@127.0.0.1>;tag=a",
                "To: <sip:b@127.0.0.1>;tag=b",
                "Call-ID: strange",
                "CSeq: 1 INVITE",
            ]
            stranger.send("\r\n".join(lines).encode() + b"\r\n\r\n", holder.bound[1])
        assert await victim.silence(0.2)


def _way(port: int) -> FlowWay:
    return FlowWay(True, Transport.UDP, ("127.0.0.1", port), ("127.0.0.1", port))
