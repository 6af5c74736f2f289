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
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.websocket import WebSocketOptions
from sautikitd.voice.sip.wire import Arrival, arrival, read_message, write_message
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, OUR_SDP
from voice.sip.parties import Callee, until

CONTACT = "<sip:b7k2@d3adb33f.invalid;transport=ws>"


class Browser:
    """Speaks SIP as text over one WebSocket; `binary` sends bytes instead."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, binary: bool = False) -> None:
        self.socket = socket
        self._binary = binary

    async def send(self, data: bytes) -> None:
        if self._binary:
            await self.socket.send_bytes(data)
        else:
            await self.socket.send_str(data.decode())

    async def request(
        self, method: str, *headers: str, body: bytes = b"", cseq: int = 1, tag: str = ""
    ) -> None:
        lines = [
            f"{method} sip:+254712000001@sautikit.example SIP/2.0",
            f"Via: SIP/2.0/WS d3adb33f.invalid;branch=z9hG4bK{method}{cseq}",
            "From: <sip:b7k2@sautikit.example>;tag=browser",
            "To: <sip:+254712000001@sautikit.example>" + (f";tag={tag}" if tag else ""),
            "Call-ID: from-a-browser",
            f"CSeq: {cseq} {method}",
            f"Contact: {CONTACT}",
            *headers,
        ]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def read(self, *, at_least: int = 101) -> Arrival:
        """The next message that is no provisional answer below `at_least`."""
        while True:
            got = await self.socket.receive(timeout=5)
            assert got.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), got
            assert (got.type is aiohttp.WSMsgType.BINARY) == self._binary
            data = got.data if self._binary else got.data.encode()
            message = read_message(data)
            if not isinstance(message, Response) or message.code >= at_least:
                return arrival(message, Source(Transport.WS, "127.0.0.1", 0))

    async def answer(self, request: Arrival, code: int, body: bytes = b"") -> None:
        response = reply(request, code, to_tag="browser")
        response.headers.set("Contact", CONTACT)
        response.body = body
        if body:
            response.headers.set("Content-Type", "application/sdp")
        await self.send(write_message(response))


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


@asynccontextmanager
async def browsing(agent: UserAgent, *, binary: bool = False, **connecting: Any) -> AsyncIterator[Browser]:
    port = agent.bound_websocket(Transport.WSS if "ssl" in connecting else Transport.WS)
    scheme = "wss" if "ssl" in connecting else "ws"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{scheme}://127.0.0.1:{port}/any/path", protocols=("sip",), **connecting
        ) as socket,
    ):
        assert socket.protocol == "sip"
        yield Browser(socket, binary=binary)


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
    async with serving(on_invite=callee.take) as agent, browsing(agent, binary=binary) as browser:
        call = await call_in_and_be_hung_up_on(browser, callee)
        assert call.source.transport is Transport.WS
        assert ";transport=ws>" in call.state.contact


async def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    authority, callee = Authority(tmp_path), Callee()
    context = authority.options("127.0.0.1").server_context()
    trusting = ssl.create_default_context(cafile=str(authority.file))
    async with (
        serving(on_invite=callee.take, context=context) as agent,
        browsing(agent, ssl=trusting) as browser,
    ):
        call = await call_in_and_be_hung_up_on(browser, callee)
        assert call.source.transport is Transport.WSS


async def test_a_browser_is_called_where_it_was_heard_from() -> None:
    heard: asyncio.Queue[Hop] = asyncio.Queue()

    async def note(call: InboundCall) -> None:
        heard.put_nowait(call.source.fixed_hop)
        call.reject(486)

    async with serving(on_invite=note) as agent, browsing(agent) as browser:
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
        async with browsing(agent) as browser:
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
    async with serving() as agent, browsing(agent) as browser:
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
    async with serving() as agent, browsing(agent) as browser:
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
        browsing(agent, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}) as browser,
    ):
        await browser.request("INVITE")
        call = await callee.call()
        assert call.source.host == seen
        call.reject(486)
        assert (await browser.read(at_least=200)).response.code == 486
