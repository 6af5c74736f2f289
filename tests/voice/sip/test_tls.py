"""SIP over TLS: both ways, with the far end's name proved, against ourselves and plain TLS peers."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from sautikitd.voice.sip.events import Acknowledged, Answered, Failed, RemoteBye
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.user_agent import Gauges, UserAgent
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, OUR_SDP
from voice.sip.parties import Callee, place, until

NAME = "trunk.example"


@asynccontextmanager
async def speaking_tls(tls: TlsOptions, callee: Callee | None = None) -> AsyncIterator[UserAgent]:
    agent = UserAgent(timers=FAST, on_invite=callee.take if callee else None)
    await agent.start(("127.0.0.1", 0), tls=tls)
    try:
        yield agent
    finally:
        await agent.stop()


def trunk(agent: UserAgent, name: str = NAME) -> Hop:
    return Hop(host="127.0.0.1", port=agent.bound_tls or 0, transport=Transport.TLS, name=name)


async def call_and_hang_up(authority: Authority, by_caller: bool) -> None:
    callee = Callee()
    async with (
        speaking_tls(authority.options("caller.example")) as near,
        speaking_tls(authority.options(NAME), callee) as far,
    ):
        call = await place(near, trunk(far))
        taken = await callee.call()
        assert taken.source.transport is Transport.TLS
        assert f":{near.bound_tls};transport=tls>" in (taken.header("Contact") or "")
        await taken.answer(OUR_SDP)
        await until(call, Answered)
        await until(taken, Acknowledged)
        first, second = (call, taken) if by_caller else (taken, call)
        assert await first.bye() == 200
        await until(second, RemoteBye)
        assert near.gauges.connections == far.gauges.connections == 1


@pytest.mark.parametrize("by_caller", [True, False])
async def test_a_call_over_tls_stays_on_its_one_connection(tmp_path: Path, by_caller: bool) -> None:
    await call_and_hang_up(Authority(tmp_path), by_caller)


def test_tls_runs_on_uvloop(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(call_and_hang_up(Authority(tmp_path), by_caller=False))


async def test_a_trunk_known_by_its_address_proves_that(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        speaking_tls(authority.options("caller.example")) as near,
        speaking_tls(authority.options("127.0.0.1")) as far,
    ):
        assert await near.ping(trunk(far, name="")) is not None


async def test_a_far_end_of_another_name_gets_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        speaking_tls(authority.options("caller.example")) as near,
        speaking_tls(authority.options("other.example")) as far,
    ):
        failed = await until(await place(near, trunk(far)), Failed)
        assert (failed.code, failed.local) == (503, True)
        assert near.gauges == Gauges(0, 0, 0)


async def test_a_far_end_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    async with (
        speaking_tls(authority.options("caller.example")) as near,
        speaking_tls(stranger.options(NAME)) as far,
    ):
        failed = await until(await place(near, trunk(far)), Failed)
        assert (failed.code, failed.local) == (503, True)


async def test_a_connection_proved_for_one_name_serves_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        speaking_tls(authority.options("caller.example")) as near,
        speaking_tls(authority.options(NAME)) as far,
    ):
        assert await near.ping(trunk(far)) is not None
        assert await near.ping(trunk(far, "other.example")) is None


async def test_the_trunk_is_told_by_name_which_certificate_is_meant(tmp_path: Path) -> None:
    authority, asked, heads = Authority(tmp_path), [], asyncio.Queue[bytes]()
    context = authority.options(NAME).server_context()
    assert context is not None
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    async with server, speaking_tls(authority.options("caller.example")) as near:
        port = server.sockets[0].getsockname()[1]
        call = await place(near, Hop(host="127.0.0.1", port=port, transport=Transport.TLS, name=NAME))
        head = (await heads.get()).decode()
        assert f"Via: SIP/2.0/TLS 127.0.0.1:{near.bound_tls};" in head
        assert asked == [NAME]
        assert (await until(call, Failed)).code == 503  # he closed without an answer


async def test_a_plain_tls_client_is_answered_on_its_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with speaking_tls(authority.options(NAME)) as agent:
        trusting = ssl.create_default_context(cafile=str(authority.file))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", agent.bound_tls, ssl=trusting, server_hostname=NAME
        )
        writer.write(
            b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKt\r\n"
            b"From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n"
        )
        assert (await reader.readline()).startswith(b"SIP/2.0 200")
        writer.close()
        await writer.wait_closed()


async def test_plain_sip_at_the_tls_port_is_cut_off(tmp_path: Path) -> None:
    async with speaking_tls(Authority(tmp_path).options(NAME)) as agent:
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.bound_tls)
        writer.write(b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n\r\n")
        await reader.read()
        writer.close()
        assert agent.gauges.connections == 0


async def test_tls_that_is_not_set_up_fails_at_once() -> None:
    agent = UserAgent(timers=FAST)
    await agent.start(("127.0.0.1", 0))
    hop = Hop(host="127.0.0.1", port=5061, transport=Transport.TLS)
    assert (await until(await place(agent, hop), Failed)).code == 503
    assert agent.bound_tls is None
    await agent.stop()


async def test_a_certificate_that_cannot_be_read_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await UserAgent().start(("127.0.0.1", 0), tls=TlsOptions(certificate=tmp_path / "none.pem"))
