"""A trunk that says nothing is left for the next one, and called off should it speak after all."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from node.dialling.trunk_calls import FIRST, add_trunk, failed_before, place
from node.exchange import PATIENCE_S
from node.second_node import second_node
from node.switchboard import Switchboard
from sautikitd.calls.outcomes import CallStatus, HangupCause
from sautikitd.identity.audit import OPERATOR
from sautikitd.trunks.models import TrunkState
from sautikitd.voice.sip.events import Canceled, RemoteBye
from sautikitd.voice.sip.wire import Arrival
from voice.sip.raw_peer import RawPeer


async def test_a_silent_trunk_is_left_within_seconds_and_called_off_should_it_speak_after_all(
    board: Switchboard, broken: RawPeer
) -> None:
    first = await add_trunk(board, "first", broken.port)
    started = time.monotonic()
    await place(board)
    invite = await broken.request("INVITE")
    phone = await (await board.exchange.ringing(FIRST)).answer()
    assert time.monotonic() - started < 5
    await board.until_all(CallStatus.ANSWERED)
    broken.answer(invite, 180)
    cancel = await broken.request("CANCEL")
    assert cancel.call_id == invite.call_id
    await phone.sip.bye()
    ended = await board.over()
    assert await failed_before(board, ended) == [(first, "no answer to INVITE")]
    async with board.platform.database.connection() as connection:
        known = await board.platform.trunks.find(connection, "first")
    assert (known.state, known.state_detail) == (TrunkState.FAILED, "no answer to INVITE")


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "answered"])
async def test_when_the_node_dies_the_silent_trunk_is_called_off_too(
    board: Switchboard, broken: RawPeer, tmp_path: Path, answered: bool
) -> None:
    await add_trunk(board, "asleep", broken.port)
    async with second_node(board, tmp_path / "second") as (there, _):
        await place(board)
        invite = await broken.request("INVITE")
        ringing = await board.exchange.ringing(FIRST)
        if answered:
            await ringing.answer()
            await board.until_all(CallStatus.ANSWERED)
        await _lease(board, timedelta())
        await there.reaper.reap()
        await _called_off(broken, invite)
        async with asyncio.timeout(PATIENCE_S):
            while event := await ringing.sip.next_event():
                if isinstance(event, RemoteBye | Canceled):
                    break
        assert isinstance(event, RemoteBye if answered else Canceled)


@pytest.mark.parametrize("others", [False, True], ids=["the only trunk", "one of two"])
async def test_an_invite_that_outlives_its_call_at_a_silent_trunk_is_called_off_if_the_node_dies(
    board: Switchboard, broken: RawPeer, tmp_path: Path, others: bool
) -> None:
    await add_trunk(board, "asleep", broken.port)
    if not others:
        async with board.platform.database.transaction() as connection:
            await board.platform.trunks.remove(connection, "nairobi", OPERATOR, board.clock.now())
    async with second_node(board, tmp_path / "second") as (there, _):
        await place(board)
        invite = await broken.request("INVITE")
        if others:
            phone = await (await board.exchange.ringing(FIRST)).answer()
            await board.until_all(CallStatus.ANSWERED)
            await phone.sip.bye()
        else:
            (running,) = board.parts.node._calls.values()
            running.end(HangupCause.CANCELED)
        ended = await board.over()
        assert ended.status is (CallStatus.COMPLETED if others else CallStatus.CANCELED)
        await there.reaper.reap()
        with pytest.raises(TimeoutError):  # the node lives, and may not say CANCEL yet (RFC 3261 §9.1)
            await broken.request("CANCEL", seconds=0.5)
        await _lease(board, timedelta())
        await there.reaper.reap()
        await _called_off(broken, invite)
        async with asyncio.timeout(PATIENCE_S):
            while (await board.calls())[0].dialog is not None:
                await asyncio.sleep(0.02)


async def test_an_invite_that_its_node_has_outlived_is_nobodys_business(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(board, "asleep", broken.port)
    await place(board)
    await broken.request("INVITE")
    (running,) = board.parts.node._calls.values()
    running.end(HangupCause.CANCELED)
    assert (await board.over()).dialog is not None
    board.clock.advance(61)
    await _lease(board, timedelta(seconds=20))
    await board.parts.reaper.reap()
    assert (await board.calls())[0].dialog is None


async def _lease(board: Switchboard, left: timedelta) -> None:
    """Leaves the lease of the board's node so much time; none is what others see of a node that died."""
    async with board.platform.database.connection() as connection:
        await connection.execute(
            "UPDATE voice_nodes SET lease_until = $2 WHERE id = $1",
            board.parts.node.node_id,
            board.clock.now() + left,
        )


async def _called_off(trunk: RawPeer, invite: Arrival) -> None:
    called_off = False
    while not called_off:  # attempts that challenges would have made are tried before the one there was
        cancel = await trunk.request("CANCEL")
        called_off = cancel.via.branch == invite.via.branch
        trunk.answer(cancel, 200 if called_off else 481)
    assert (cancel.call_id, cancel.cseq) == (invite.call_id, invite.cseq)


async def test_a_silent_trunk_that_is_the_only_one_is_waited_for(board: Switchboard, broken: RawPeer) -> None:
    await add_trunk(board, "only", broken.port)
    async with board.platform.database.transaction() as connection:
        await board.platform.trunks.remove(connection, "nairobi", OPERATOR, board.clock.now())
    await place(board)
    invite = await broken.request("INVITE")
    for _ in range(3):  # repeated after 0.5, 1.5 and 3.5 s, and so beyond our patience
        assert (await broken.request("INVITE", seconds=5)).call_id == invite.call_id
    broken.answer(invite, 486)
    ended = await board.over()
    assert (ended.status, ended.sip_code) == (CallStatus.BUSY, 486)
