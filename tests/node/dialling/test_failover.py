"""A call goes on over the next trunk when one fails it: one record, one hold, one `call.started`."""

import shutil
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY

from node.dialling.trunk_calls import FIRST, add_trunk, failed_before, nairobi, place
from node.exchange import hung_up
from node.switchboard import NUMBER, Switchboard
from ports import free_port
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.identity.audit import OPERATOR
from sautikitd.trunks.models import Transport
from sautikitd.voice.sip.events import Canceled
from sautikitd.voice.sip.invites import PreparedInvite
from voice.sip.far_end import SippRunner, user_agent
from voice.sip.parties import until
from voice.sip.raw_peer import RawPeer


async def _kinds(board: Switchboard, call: CallRecord) -> list[str]:
    async with board.platform.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT kind FROM events WHERE call_id = $1 AND sequence IS NOT NULL ORDER BY sequence", call.id
        )
    return [row["kind"] for row in rows]


async def test_after_a_503_the_same_call_goes_on_over_the_next_trunk(
    board: Switchboard, broken: RawPeer
) -> None:
    first = await add_trunk(board, "moved-from", broken.port)
    await place(board)
    broken.answer(await broken.request("INVITE"), 503)
    ringing = await board.exchange.ringing(FIRST)
    (call,) = await board.calls()
    assert call.trunk_id == await nairobi(board)
    assert call.dialog is not None
    assert call.dialog["invite"]["state"]["call_id"] == ringing.sip.call_id  # stored before it left
    assert await failed_before(board, call) == [(first, "answered INVITE with 503 Service Unavailable")]
    phone = await ringing.answer()
    await board.until_all(CallStatus.ANSWERED)
    assert (await board.balance())[1] == 300
    await phone.sip.bye()
    ended = await board.over()
    assert await _kinds(board, ended) == ["call.started", "call.answered", "call.completed"]
    moved = {"trunk": "moved-from", "moved": "yes"}
    assert REGISTRY.get_sample_value("sautikit_trunk_failures_total", moved) == 1


async def test_a_busy_callee_is_not_asked_again_over_another_trunk(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(board, "first", broken.port)
    await place(board)
    broken.answer(await broken.request("INVITE"), 486)
    ended = await board.over()
    assert ended.status is CallStatus.BUSY
    assert board.exchange.called(FIRST) == 0


async def test_a_call_whose_phone_rang_already_fails_with_its_trunk(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(board, "first", broken.port)
    await place(board)
    invite = await broken.request("INVITE")
    broken.answer(invite, 180)
    broken.answer(invite, 503)
    assert (await board.over()).sip_code == 503
    assert board.exchange.called(FIRST) == 0


async def test_when_every_trunk_fails_the_call_fails_with_the_last_ones_word(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(board, "first", broken.port)
    await place(board)
    broken.answer(await broken.request("INVITE"), 500)
    (await board.exchange.ringing(FIRST)).refuse(502)
    ended = await board.over()
    assert (ended.status, ended.sip_code, ended.cost_minor) == (CallStatus.FAILED, 502, 0)
    assert (await board.balance())[1] == 0


async def test_a_hang_up_during_the_second_try_cancels_the_second_try(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(board, "first", free_port(), transport=Transport.TCP)  # nobody listens there
    await place(board)
    ringing = await board.exchange.ringing(FIRST)
    ringing.alert()
    (call,) = await board.calls()
    async with board.platform.database.transaction() as connection:
        await board.platform.hang_up.hang_up(connection, call.id, board.clock.now())
    board.parts.node.wake()
    assert await ringing.sip.next_event() is not None  # CANCEL
    ended = await board.over()
    assert (ended.status, ended.hangup_cause, ended.failure_code) == (
        CallStatus.CANCELED,
        "canceled",
        "canceled",
    )
    assert [why for _, why in await failed_before(board, call)] == [
        "could not be reached: Service Unavailable"
    ]


async def test_another_process_cancels_the_try_that_is_on_its_way_now(
    board: Switchboard, broken: RawPeer
) -> None:
    await add_trunk(board, "first", broken.port)
    await place(board)
    broken.answer(await broken.request("INVITE"), 503)
    ringing = await board.exchange.ringing(FIRST)
    ringing.alert()
    (call,) = await board.calls()
    assert call.dialog is not None
    prepared = PreparedInvite.restore(call.dialog["invite"])
    async with user_agent() as another:
        assert await another.cancel_detached(prepared.state) == 200
    await until(ringing.sip, Canceled)
    await board.over()


async def test_a_dialled_leg_that_no_trunk_has_room_for_fails_as_the_result_of_its_dial(
    board: Switchboard,
) -> None:
    async with board.platform.database.transaction() as connection:
        await board.platform.trunks.edit(
            connection,
            "nairobi",
            lambda terms: msgspec.structs.replace(terms, max_channels=1),
            OPERATOR,
            board.clock.now(),
        )
    await board.route(forward_to=FIRST)
    await board.exchange.call(NUMBER)  # takes the one channel itself
    (leg,) = await board.until_legs(CallStatus.FAILED)
    assert (leg.hangup_cause, leg.hangup_by) == ("congestion", "platform")
    assert (await board.balance())[1] == 0


async def test_a_dialled_leg_goes_on_over_the_next_trunk_too(board: Switchboard, broken: RawPeer) -> None:
    await add_trunk(board, "first", broken.port)
    await board.route(forward_to=FIRST)
    caller = await board.exchange.call(NUMBER)
    broken.answer(await broken.request("INVITE"), 503)
    phone = await (await board.exchange.ringing(FIRST)).answer()
    await caller.answered()
    (leg,) = await board.until_legs(CallStatus.ANSWERED)
    assert leg.trunk_id == await nairobi(board)
    await caller.sip.bye()
    await hung_up(phone)


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp (sip-tester) is not installed")
async def test_sipp_refuses_with_503_and_the_next_trunk_has_the_call(
    board: Switchboard, tmp_path: Path
) -> None:
    run = SippRunner(tmp_path)
    sipp = await run("uas_refuse", code=503, q850=41)
    try:
        await add_trunk(board, "sipp", sipp.hop.port)
        await place(board)
        ringing = await board.exchange.ringing(FIRST)
        await sipp.succeeded()  # its ACK came
        ringing.refuse(486)
        assert (await board.over()).status is CallStatus.BUSY
    finally:
        await run.stop()
