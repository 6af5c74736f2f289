"""Calls go by a trunk's terms: its proxy, its forms of numbers, its certificates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from node.dialling.trunk_calls import FIRST, add_trunk, place
from node.switchboard import Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.trunks.models import Transport
from sautikitd.voice.number_forms import NumberForm
from sautikitd.voice.sip.events import Acknowledged
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, OUR_SDP
from voice.sip.parties import Callee, until
from voice.sip.raw_peer import RawPeer


async def test_the_invite_goes_by_the_proxy_with_the_numbers_as_the_trunk_wants_them(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(
        board,
        "first",
        5060,
        host="sip.carrier.example",
        proxy_host="127.0.0.1",
        proxy_port=broken.port,
        called_form=NumberForm.NATIONAL,
        called_prefix="9901",
        caller_form=NumberForm.DIGITS,
        from_user="254200000001",
        from_domain="sip.carrier.example",
    )
    await place(board)
    invite = await broken.request("INVITE")
    assert str(invite.request.uri) == "sip:99010712000001@sip.carrier.example"
    assert invite.header("From").startswith("<sip:254200000001@sip.carrier.example>")
    assert invite.header("P-Asserted-Identity") == "<sip:254207000001@sip.carrier.example>"
    broken.answer(invite, 486)
    await board.over()


@asynccontextmanager
async def _tls_carrier(authority: Authority, name: str) -> AsyncIterator[tuple[UserAgent, Callee]]:
    """A far end that speaks TLS with a certificate for `name`."""
    callee = Callee()
    agent = UserAgent(on_invite=callee.take, timers=FAST)
    await agent.start(("127.0.0.1", 0), tls=authority.options(name))
    try:
        yield agent, callee
    finally:
        await agent.stop()


async def test_a_call_over_tls_to_a_carrier_vouched_for_by_its_own_authority(
    board: Switchboard, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "carriers-own")
    async with _tls_carrier(authority, "sip.carrier.example") as (carrier, callee):
        tls = {"tls_ca": authority.file.read_text(), "tls_name": "sip.carrier.example"}
        await add_trunk(board, "tls", carrier.bound_tls or 0, transport=Transport.TLS, **tls)
        await place(board)
        taken = await callee.call()
        assert taken.source.transport == "tls"
        await taken.answer(OUR_SDP)
        await until(taken, Acknowledged)
        await board.until_all(CallStatus.ANSWERED)
        assert await taken.bye() == 200
        assert (await board.over()).status is CallStatus.COMPLETED
    assert board.exchange.called(FIRST) == 0


async def test_a_carrier_that_cannot_prove_itself_gets_nothing_and_the_next_trunk_the_call(
    board: Switchboard, tmp_path: Path
) -> None:
    believed, stranger = Authority(tmp_path, "believed"), Authority(tmp_path, "stranger")
    async with _tls_carrier(stranger, "sip.carrier.example") as (carrier, callee):
        tls = {"tls_ca": believed.file.read_text(), "tls_name": "sip.carrier.example"}
        await add_trunk(board, "tls", carrier.bound_tls or 0, transport=Transport.TLS, **tls)
        await place(board)
        (await board.exchange.ringing(FIRST)).refuse(486)
        ended = await board.over()
        assert ended.status is CallStatus.BUSY
        assert callee.waiting == 0
