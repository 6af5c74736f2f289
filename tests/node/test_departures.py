"""A BYE or CANCEL that was sent and not answered when its process died is repeated by the next."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from node.dialling.trunk_calls import FIRST, add_trunk, place
from node.exchange import PATIENCE_S
from node.second_node import second_node
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus, HangupCause
from sautikitd.roles.voice import Parts
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import OUR_SDP
from voice.sip.raw_peer import RawPeer, raw_peer


@pytest.fixture
async def carrier(board: Switchboard) -> AsyncIterator[RawPeer]:
    """A trunk that goes first, and says what the test tells it to."""
    async with raw_peer() as peer:
        await add_trunk(board, "first", peer.port)
        yield peer


def _port(board: Switchboard) -> int:
    return board.platform.settings.sip.port


async def _from_another(board: Switchboard, carrier: RawPeer, method: str) -> Arrival:
    """The first request that does not come from the node that ran the call."""
    while (request := await carrier.request(method)).source.port == _port(board):
        pass
    return request


async def _die(board: Switchboard) -> None:
    """What others see of a node that died; this one goes on repeating its messages all the same."""
    async with board.platform.database.connection() as connection:
        await connection.execute(
            "UPDATE voice_nodes SET lease_until = $2 WHERE id = $1",
            board.parts.node.node_id,
            board.clock.now() - timedelta(seconds=1),
        )


async def _forgotten(board: Switchboard) -> None:
    """Waits until the books hold nothing of the call that could be sent."""
    async with asyncio.timeout(PATIENCE_S):
        while (await board.calls())[0].dialog is not None:
            await asyncio.sleep(0.02)


def _hang_up(board: Switchboard) -> None:
    for running in list(board.parts.node._calls.values()):
        running.end(HangupCause.NORMAL_CLEARING)


async def _repeated_once_dead(board: Switchboard, carrier: RawPeer, there: Parts, lost: Arrival) -> None:
    """The first node has said BYE, which was lost; the second says it as soon as the first is dead."""
    assert (await board.over()).dialog is not None
    await there.reaper.reap()
    assert there.agent.gauges.dialogs == 0  # the node lives, and repeats it itself
    await _die(board)
    await there.reaper.reap()
    repeated = await _from_another(board, carrier, "BYE")
    while repeated.call_id != lost.call_id:
        carrier.answer(repeated, 200)
        repeated = await _from_another(board, carrier, "BYE")
    assert (repeated.to.tag, repeated.from_.tag) == (lost.to.tag, lost.from_.tag)
    assert repeated.cseq > lost.cseq
    carrier.answer(repeated, 481)
    await _forgotten(board)


async def test_a_lost_bye_is_repeated_by_the_next_node(
    board: Switchboard, carrier: RawPeer, tmp_path: Path
) -> None:
    async with second_node(board, tmp_path / "second") as (there, _):
        await place(board)
        carrier.accept(await carrier.request("INVITE"))
        await board.until_all(CallStatus.ANSWERED)
        _hang_up(board)
        await _repeated_once_dead(board, carrier, there, await carrier.request("BYE"))


async def test_so_is_that_to_a_caller(board: Switchboard, carrier: RawPeer, tmp_path: Path) -> None:
    async with second_node(board, tmp_path / "second") as (there, _):
        await board.route(forward_to=FIRST)
        headers = [("Content-Type", "application/sdp")]
        called = carrier.written(_port(board), "INVITE", branch="in", headers=headers, body=OUR_SDP)
        carrier.send(called.replace(b"+254709000001", NUMBER.encode()), _port(board))
        carrier.accept(await carrier.request("INVITE", seconds=15))
        while (answer := await carrier.response(seconds=15)).response.code < 200:
            pass
        carrier.call(_port(board), "ACK", branch="ack", to_tag=answer.to.tag)
        await board.until_all(CallStatus.ANSWERED)
        _hang_up(board)
        lost = await carrier.request("BYE")
        while lost.call_id != "one-call":
            lost = await carrier.request("BYE")
        await _repeated_once_dead(board, carrier, there, lost)


async def test_a_lost_cancel_is_repeated_by_the_next_node(
    board: Switchboard, carrier: RawPeer, tmp_path: Path
) -> None:
    async with second_node(board, tmp_path / "second") as (there, _):
        await place(board)
        invite = await carrier.request("INVITE")
        carrier.answer(invite, 180)
        await board.until_all(CallStatus.RINGING)
        _hang_up(board)
        await carrier.request("CANCEL")
        assert (await board.over()).status is CallStatus.CANCELED
        await _die(board)
        await there.reaper.reap()
        repeated = await _from_another(board, carrier, "CANCEL")
        while repeated.via.branch != invite.via.branch:  # attempts that challenges would have made go first
            carrier.answer(repeated, 481)
            repeated = await _from_another(board, carrier, "CANCEL")
        carrier.answer(repeated, 200)
        await _forgotten(board)


async def test_an_answer_that_crosses_the_cancel_leaves_its_bye_to_the_next_node(
    board: Switchboard, carrier: RawPeer, tmp_path: Path
) -> None:
    async with second_node(board, tmp_path / "second") as (there, _):
        await place(board)
        invite = await carrier.request("INVITE")
        carrier.answer(invite, 180)
        await board.until_all(CallStatus.RINGING)
        _hang_up(board)
        carrier.answer(await carrier.request("CANCEL"), 200)
        carrier.accept(invite)
        lost = await carrier.request("BYE")
        async with asyncio.timeout(PATIENCE_S):
            while "dialogs" not in ((await board.calls())[0].dialog or {}):
                await asyncio.sleep(0.02)
        await _die(board)
        await there.reaper.reap()
        repeated = await _from_another(board, carrier, "BYE")
        assert (repeated.call_id, repeated.to.tag) == (invite.call_id, lost.to.tag)
        carrier.answer(repeated, 200)
        await _forgotten(board)


async def test_what_has_been_answered_is_forgotten_at_once(board: Switchboard, carrier: RawPeer) -> None:
    await place(board)
    carrier.accept(await carrier.request("INVITE"))
    await board.until_all(CallStatus.ANSWERED)
    _hang_up(board)
    await carrier.request("BYE")
    assert (await board.over()).dialog is not None
    carrier.answer(await carrier.request("BYE"), 200)
    await _forgotten(board)
