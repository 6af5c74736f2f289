"""A carrier that wants to see our certificate before it takes a call."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sautikitd.voice.sip.events import Failed
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST
from voice.sip.parties import place, until

NAME = "trunk.example"


@asynccontextmanager
async def _strict_carrier(authority: Authority, heads: "asyncio.Queue[bytes]") -> AsyncIterator[Hop]:
    context = authority.options(NAME).server_context()
    assert context is not None
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Hop(host="127.0.0.1", port=port, transport=Transport.TLS, name=NAME)


@asynccontextmanager
async def _agent(tls: TlsOptions) -> AsyncIterator[UserAgent]:
    agent = UserAgent(timers=FAST)
    await agent.start(("127.0.0.1", 0), tls=tls)
    try:
        yield agent
    finally:
        await agent.stop()


async def test_our_certificate_is_shown_to_a_carrier_that_asks_for_it(tmp_path: Path) -> None:
    authority, heads = Authority(tmp_path), asyncio.Queue[bytes]()
    async with (
        _strict_carrier(authority, heads) as carrier,
        _agent(authority.options("sip.duka.example")) as ours,
    ):
        await place(ours, carrier)
        async with asyncio.timeout(5):
            assert (await heads.get()).startswith(b"INVITE ")


async def test_without_one_the_call_fails_as_unreachable(tmp_path: Path) -> None:
    authority, heads = Authority(tmp_path), asyncio.Queue[bytes]()
    async with (
        _strict_carrier(authority, heads) as carrier,
        _agent(TlsOptions(authorities=authority.file)) as ours,
    ):
        failed = await until(await place(ours, carrier), Failed)
        assert (failed.code, failed.local) == (503, True)
        assert heads.empty()
