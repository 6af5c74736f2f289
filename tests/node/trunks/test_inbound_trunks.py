"""Calls that come in: from known addresses, in any form of numbers, over TLS with our certificate."""

import asyncio
import ssl
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from flow.doubles import callback_server
from node.switchboard import NUMBER, Switchboard, switchboard
from ports import free_port
from sautikitd.calls.models import CallRecord
from sautikitd.identity.audit import OPERATOR
from sautikitd.ids import uuid7
from sautikitd.node.trunks.ways import Network, TrunkAddresses
from sautikitd.trunks.models import InboundNumber, NewTrunk, Trunk, TrunkState
from sautikitd.voice.sip.events import Answered, Failed
from voice.sip.certificates import Authority
from voice.sip.far_end import OUR_SDP
from voice.sip.raw_peer import raw_peer

DIGITS = NUMBER.removeprefix("+")


def invite(user: str, *, to: str, source: str, headers: tuple[str, ...] = (), via: str = "UDP") -> bytes:
    lines = [
        f"INVITE sip:{user}@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/{via} {source};rport;branch=z9hG4bK{user.strip('+')}{to.strip('+')}",
        "From: <sip:+254733000001@carrier.example>;tag=far",
        f"To: <sip:{to}@carrier.example>",
        f"Call-ID: {user}-{to}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:carrier@{source}>",
        *headers,
        "Content-Type: application/sdp",
        f"Content-Length: {len(OUR_SDP)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + OUR_SDP


async def _first_call(board: Switchboard) -> CallRecord:
    async with asyncio.timeout(8):
        while not (calls := await board.calls()):
            await asyncio.sleep(0.02)
    return calls[0]


async def _account(board: Switchboard, place: InboundNumber) -> None:
    """A trunk at the same address as the other, which calls our account."""
    new = NewTrunk(
        name="by-account",
        host="127.0.0.1",
        port=free_port(),
        username="akaunti",
        password="siri",
        inbound_number=place,
        priority=50,
    )
    async with board.platform.database.transaction() as connection:
        await board.platform.trunks.add(connection, new, OPERATOR, board.clock.now())
    await board.parts.trunk_watch.refresh()


@pytest.mark.parametrize("written", [DIGITS, "0" + DIGITS[3:], "000" + DIGITS])
async def test_the_number_called_is_read_in_any_form(board: Switchboard, written: str) -> None:
    async with raw_peer() as peer:
        port = board.parts.agent.bound[1]
        peer.send(invite(written, to=written, source=f"127.0.0.1:{peer.port}"), port)
        call = await _first_call(board)
        assert (call.to_address, call.from_address) == (NUMBER, "+254733000001")
        await peer.response()


async def test_a_trunk_that_calls_our_account_has_the_number_in_to(board: Switchboard) -> None:
    await _account(board, InboundNumber.TO)
    async with raw_peer() as peer:
        port = board.parts.agent.bound[1]
        peer.send(invite("akaunti", to=DIGITS, source=f"127.0.0.1:{peer.port}"), port)
        call = await _first_call(board)
        assert call.to_address == NUMBER
        async with board.platform.database.connection() as connection:
            by_account = await board.platform.trunks.find(connection, "by-account")
        assert call.trunk_id == by_account.id
        await peer.response()


async def test_or_in_p_called_party_id(board: Switchboard) -> None:
    await _account(board, InboundNumber.P_CALLED_PARTY_ID)
    async with raw_peer() as peer:
        wanted = (f"P-Called-Party-ID: <sip:{NUMBER}@carrier.example;user=phone>",)
        sent = invite("akaunti", to="akaunti", source=f"127.0.0.1:{peer.port}", headers=wanted)
        peer.send(sent, board.parts.agent.bound[1])
        assert (await _first_call(board)).to_address == NUMBER
        await peer.response()


async def test_an_account_without_a_number_is_not_found(board: Switchboard) -> None:
    await _account(board, InboundNumber.TO)
    async with raw_peer() as peer:
        sent = invite("akaunti", to="akaunti", source=f"127.0.0.1:{peer.port}")
        peer.send(sent, board.parts.agent.bound[1])
        assert (await peer.response()).response.code == 404


async def test_a_carrier_that_checks_our_certificate_calls_over_tls(
    database_url: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "public")
    shown = authority.options("sip.duka.example")
    tls_port = free_port()
    settings = {
        "SAUTIKIT_SIP_CERTIFICATE": str(shown.certificate),
        "SAUTIKIT_SIP_KEY": str(shown.key),
        "SAUTIKIT_SIP_TLS_PORT": str(tls_port),
    }
    async with switchboard(database_url, tmp_path, funds=10_000, **settings) as board:
        strict = ssl.create_default_context(cafile=str(authority.file))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", tls_port, ssl=strict, server_hostname="sip.duka.example"
        )
        writer.write(invite(DIGITS, to=DIGITS, source="127.0.0.1:5061", via="TLS"))
        assert (await reader.readline()).startswith(b"SIP/2.0 100")
        assert (await _first_call(board)).to_address == NUMBER
        writer.close()


def _named(host: str) -> Trunk:
    made = datetime(2026, 11, 29, tzinfo=UTC)
    return Trunk(
        id=uuid7(),
        name=host,
        host=host,
        state=TrunkState.OK,
        state_detail="",
        state_at=None,
        created_at=made,
    )


async def test_a_name_that_stops_resolving_keeps_its_addresses_and_one_that_moved_is_found() -> None:
    now = [0.0]
    known = TrunkAddresses(lambda: now[0])
    here, trunk = ip_network("127.0.0.1"), _named("localhost")

    async def found() -> list[Network]:
        await known.look_up([trunk])
        return known.of(trunk)

    assert here in await found()
    answers: dict[str, OSError | str] = {"localhost": OSError("no DNS today")}
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def getaddrinfo(host: str, *rest: Any, **options: Any) -> Any:
        if isinstance(answer := answers.get(host), OSError):
            raise answer
        return await resolve(answer or host, *rest, **options)

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign,assignment]
    now[0] = 31
    assert here in await found()
    answers["localhost"] = "127.0.0.9"
    now[0] = 62
    assert await found() == [ip_network("127.0.0.9")]


async def test_a_call_above_the_trunks_channels_is_refused_so_that_the_operator_may_try_again(
    board: Switchboard,
) -> None:
    async with board.platform.database.connection() as connection:
        await connection.execute("UPDATE trunks SET max_channels = 1")
    refused = REGISTRY.get_sample_value("sautikit_trunk_calls_refused_total", {"trunk": "nairobi"}) or 0
    async with callback_server(voice=[[{"answer": {}}, {"pause": {"length": 60}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        first = await board.exchange.call(NUMBER)
        await first.until(Answered)
        failed = await (await board.exchange.call(NUMBER)).until(Failed)
        assert isinstance(failed, Failed)
        assert (failed.code, failed.retry_after, failed.reasons[0].cause) == (503, 1, 34)
        assert len(await board.calls()) == 1  # a call that never was: nothing in the books, no webhook
        now = REGISTRY.get_sample_value("sautikit_trunk_calls_refused_total", {"trunk": "nairobi"})
        assert now == refused + 1
        await first.sip.bye()
        await board.over()
        again = await board.exchange.call(NUMBER)
        await again.until(Answered)
        await again.sip.bye()
