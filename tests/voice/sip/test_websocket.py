"""SIP over WebSocket (RFC 7118): a browser, made of aiohttp's client, calls and is called over its own connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sipmessage import Request, Response

from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.events import Answered, Failed
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.websocket import WebSocketOptions
from voice.sip.browser_peer import CONTACT, Browser, browsing
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, OUR_SDP
from voice.sip.parties import Callee, until


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[UserAgent]:
    context = options.pop("context", None)
    proxies = options.pop("proxies", ())
    agent = UserAgent(timers=FAST, **options)
    listening = WebSocketOptions(host="127.0.0.1", port=0, context=context, proxies=proxies)
    await agent.start(("127.0.0.1", 0), websockets=[listening])
    try:
        yield agent
    finally:
        await agent.stop()
    assert agent.gauges.connections == 0


def address_of(agent: UserAgent, scheme: str = "ws") -> str:
    port = agent.bound_websocket(Transport.WSS if scheme == "wss" else Transport.WS)
    return f"{scheme}://127.0.0.1:{port}/any/path"


async def call_in_and_be_hung_up_on(browser: Browser, callee: Callee) -> InboundCall:
    await browser.request("INVITE", "Content-Type: application/sdp", body=OUR_SDP)
    call = await callee.call()
    answering = asyncio.ensure_future(call.answer(OUR_SDP))
    accepted = await browser.read(at_least=200)
    await answering
    assert accepted.response.code == 200
    await browser.request("ACK", tag=accepted.to.tag or "")
    ending = asyncio.ensure_future(call.bye())
    bye = await browser.read()
    assert isinstance(bye.message, Request)
    assert (bye.message.method, str(bye.message.uri)) == ("BYE", CONTACT.strip("<>"))
    await browser.answer(bye, 200)
    assert await ending == 200
    return call


@pytest.mark.parametrize("binary", [False, True])
async def test_a_browser_calls_and_is_hung_up_on_over_its_one_connection(binary: bool) -> None:
    callee = Callee()
    async with serving(on_invite=callee.take) as agent, browsing(address_of(agent), binary=binary) as browser:
        call = await call_in_and_be_hung_up_on(browser, callee)
        assert call.source.transport is Transport.WS
        assert ";transport=ws>" in call.state.contact


async def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    authority, callee = Authority(tmp_path), Callee()
    context = authority.options("127.0.0.1").server_context()
    trusting = ssl.create_default_context(cafile=str(authority.file))
    async with (
        serving(on_invite=callee.take, context=context) as agent,
        browsing(address_of(agent, "wss"), ssl=trusting) as browser,
    ):
        call = await call_in_and_be_hung_up_on(browser, callee)
        assert call.source.transport is Transport.WSS


async def test_a_browser_is_called_where_it_was_heard_from() -> None:
    heard: asyncio.Queue[Hop] = asyncio.Queue()

    async def note(call: InboundCall) -> None:
        heard.put_nowait(call.source.fixed_hop)
        call.reject(486)

    async with serving(on_invite=note) as agent, browsing(address_of(agent)) as browser:
        await browser.request("INVITE")
        hop = await heard.get()
        await browser.read(at_least=300)
        prepared = agent.prepare_invite(
            target=CONTACT.strip("<>"), hop=hop, local=NameAddr("sip:+254711000001@127.0.0.1")
        )
        call = await agent.send_invite(prepared, OUR_SDP)
        invite = await browser.read()
        while invite.method == "INVITE" and isinstance(invite.message, Response):
            invite = await browser.read()
        assert str(invite.request.uri) == CONTACT.strip("<>")
        assert invite.via.transport == "ws"
        await browser.answer(invite, 200, OUR_SDP)
        await until(call, Answered)
        assert (await browser.read()).method == "ACK"
        ending = asyncio.ensure_future(call.bye())
        await browser.answer(await browser.read(), 200)
        assert await ending == 200


async def test_calls_over_a_connection_that_is_gone_fail_at_once() -> None:
    lost: asyncio.Queue[Hop] = asyncio.Queue()
    heard: asyncio.Queue[Hop] = asyncio.Queue()

    async def note(call: InboundCall) -> None:
        heard.put_nowait(call.source.fixed_hop)
        call.reject(486)

    async with serving(on_invite=note, on_connection_lost=lost.put_nowait) as agent:
        async with browsing(address_of(agent)) as browser:
            await browser.request("INVITE")
            hop = await heard.get()
            prepared = agent.prepare_invite(
                target=CONTACT.strip("<>"), hop=hop, local=NameAddr("sip:+254711000001@127.0.0.1")
            )
            waiting = await agent.send_invite(prepared, OUR_SDP)
        gone = await asyncio.wait_for(lost.get(), 5)
        assert (gone.host, gone.port, gone.transport) == (hop.host, hop.port, hop.transport)
        await until(waiting, Failed)
        later = agent.prepare_invite(
            target=CONTACT.strip("<>"), hop=hop, local=NameAddr("sip:+254711000001@127.0.0.1")
        )
        failed = await until(await agent.send_invite(later, OUR_SDP), Failed)
        assert isinstance(failed, Failed)
        assert (failed.code, failed.local) == (503, True)


async def test_a_double_line_end_is_answered_as_a_keep_alive() -> None:
    async with serving() as agent, browsing(address_of(agent)) as browser:
        await browser.socket.send_str("\r\n\r\n")
        assert (await browser.socket.receive(timeout=5)).data == "\r\n"


@pytest.mark.parametrize("protocols", [(), ("xmpp",)])
async def test_other_protocols_are_turned_away(protocols: tuple[str, ...]) -> None:
    async with serving() as agent, aiohttp.ClientSession() as session:
        url = f"ws://127.0.0.1:{agent.bound_websocket(Transport.WS)}/"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url, protocols=protocols)
        assert refused.value.status == 426
        async with session.get(url.replace("ws:", "http:")) as response:
            assert response.status == 426


async def test_a_message_too_long_ends_the_connection() -> None:
    async with serving() as agent, browsing(address_of(agent)) as browser:
        await browser.socket.send_str("X" * 70_000)
        assert (await browser.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(("proxies", "seen"), [(("127.0.0.0/8",), "203.0.113.9"), ((), "127.0.0.1")])
async def test_the_sender_a_proxy_names_counts_only_if_the_proxy_is_ours(
    proxies: tuple[str, ...], seen: str
) -> None:
    callee = Callee()
    networks = [ip_network(one) for one in proxies]
    async with (
        serving(on_invite=callee.take, proxies=networks) as agent,
        browsing(address_of(agent), headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}) as browser,
    ):
        await browser.request("INVITE")
        call = await callee.call()
        assert call.source.host == seen
        call.reject(486)
        assert (await browser.read(at_least=200)).response.code == 486
