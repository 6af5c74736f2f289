"""A call goes on over the next trunk when one fails it: one record, one hold, one `call.started`."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from prometheus_client import REGISTRY

from node.exchange import PATIENCE_S, hung_up
from node.second_node import second_node
from node.switchboard import NUMBER, PARTIES, Switchboard
from ports import free_port
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupCause
from sautikitd.calls.requests import PlaceCall
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from sautikitd.trunks.models import NewTrunk, Transport, TrunkState
from sautikitd.voice.number_forms import NumberForm
from sautikitd.voice.sip.events import Acknowledged, Canceled, RemoteBye
from sautikitd.voice.sip.invites import PreparedInvite
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST, OUR_SDP, SippRunner, user_agent
from voice.sip.parties import Callee, until
from voice.sip.raw_peer import RawPeer, raw_peer

FIRST = PARTIES[0]


async def _trunk(board: Switchboard, name: str, port: int, **terms: Any) -> UUID:
    """A trunk that goes before the exchange's, unless told otherwise."""
    new = NewTrunk(**{"name": name, "host": "127.0.0.1", "port": port, "priority": 1, **terms})
    async with board.platform.database.transaction() as connection:
        added = await board.platform.trunks.add(connection, new, OPERATOR, board.clock.now())
    await board.parts.trunk_watch.refresh()
    return added.id


async def _nairobi(board: Switchboard) -> UUID:
    async with board.platform.database.connection() as connection:
        return (await board.platform.trunks.find(connection, "nairobi")).id


async def _place(board: Switchboard, to: str = FIRST) -> None:
    platform, now = board.platform, board.clock.now()
    async with platform.database.transaction() as connection:
        new = NewKey(
            workspace_id=board.workspace_id,
            mode="live",
            name="a test's key",
            scopes=frozenset("*"),
            number_ids=None,
        )
        key = (await platform.api_keys.create(connection, new, OPERATOR, now)).record
        principal = Principal(id=key.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))
        await platform.placing.place(connection, principal, PlaceCall(from_=NUMBER, to=to))
    board.parts.node.wake()


async def _failed_before(board: Switchboard, call: CallRecord) -> list[tuple[UUID, str]]:
    async with board.platform.database.connection() as connection:
        stored = await connection.fetchval("SELECT trunks_failed FROM calls WHERE id = $1", call.id)
    return [(UUID(one["trunk_id"]), one["why"]) for one in stored]


async def _kinds(board: Switchboard, call: CallRecord) -> list[str]:
    async with board.platform.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT kind FROM events WHERE call_id = $1 AND sequence IS NOT NULL ORDER BY sequence", call.id
        )
    return [row["kind"] for row in rows]


@pytest.fixture
async def broken() -> AsyncIterator[RawPeer]:
    """A carrier made of one socket, which says what the test tells it to."""
    async with raw_peer() as peer:
        yield peer


async def test_after_a_503_the_same_call_goes_on_over_the_next_trunk(
    board: Switchboard, broken: RawPeer
) -> None:
    first = await _trunk(board, "moved-from", broken.port)
    await _place(board)
    broken.answer(await broken.request("INVITE"), 503)
    ringing = await board.exchange.ringing(FIRST)
    (call,) = await board.calls()
    assert call.trunk_id == await _nairobi(board)
    assert call.dialog is not None
    assert call.dialog["invite"]["state"]["call_id"] == ringing.sip.call_id  # stored before it left
    assert await _failed_before(board, call) == [(first, "answered INVITE with 503 Service Unavailable")]
    phone = await ringing.answer()
    await board.until_all(CallStatus.ANSWERED)
    assert (await board.balance())[1] == 300
    await phone.sip.bye()
    ended = await board.over()
    assert await _kinds(board, ended) == ["call.started", "call.answered", "call.completed"]
    moved = {"trunk": "moved-from", "moved": "yes"}
    assert REGISTRY.get_sample_value("sautikit_trunk_failures_total", moved) == 1


async def test_a_silent_trunk_is_left_within_seconds_and_called_off_should_it_speak_after_all(
    board: Switchboard, broken: RawPeer
) -> None:
    first = await _trunk(board, "first", broken.port)
    started = time.monotonic()
    await _place(board)
    invite = await broken.request("INVITE")
    phone = await (await board.exchange.ringing(FIRST)).answer()
    assert time.monotonic() - started < 5
    await board.until_all(CallStatus.ANSWERED)
    broken.answer(invite, 180)
    cancel = await broken.request("CANCEL")
    assert cancel.call_id == invite.call_id
    await phone.sip.bye()
    ended = await board.over()
    assert await _failed_before(board, ended) == [(first, "no answer to INVITE")]
    async with board.platform.database.connection() as connection:
        known = await board.platform.trunks.find(connection, "first")
    assert (known.state, known.state_detail) == (TrunkState.FAILED, "no answer to INVITE")


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "answered"])
async def test_when_the_node_dies_the_silent_trunk_is_called_off_too(
    board: Switchboard, broken: RawPeer, tmp_path: Path, answered: bool
) -> None:
    await _trunk(board, "asleep", broken.port)
    async with second_node(board, tmp_path / "second") as (there, _):
        await _place(board)
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
    await _trunk(board, "asleep", broken.port)
    if not others:
        async with board.platform.database.transaction() as connection:
            await board.platform.trunks.remove(connection, "nairobi", OPERATOR, board.clock.now())
    async with second_node(board, tmp_path / "second") as (there, _):
        await _place(board)
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
    await _trunk(board, "asleep", broken.port)
    await _place(board)
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
    await _trunk(board, "only", broken.port)
    async with board.platform.database.transaction() as connection:
        await board.platform.trunks.remove(connection, "nairobi", OPERATOR, board.clock.now())
    await _place(board)
    invite = await broken.request("INVITE")
    for _ in range(3):  # repeated after 0.5, 1.5 and 3.5 s, and so beyond our patience
        assert (await broken.request("INVITE", seconds=5)).call_id == invite.call_id
    broken.answer(invite, 486)
    ended = await board.over()
    assert (ended.status, ended.sip_code) == (CallStatus.BUSY, 486)


async def test_a_busy_callee_is_not_asked_again_over_another_trunk(
    board: Switchboard, broken: RawPeer
) -> None:
    await _trunk(board, "first", broken.port)
    await _place(board)
    broken.answer(await broken.request("INVITE"), 486)
    ended = await board.over()
    assert ended.status is CallStatus.BUSY
    assert board.exchange.called(FIRST) == 0


async def test_a_call_whose_phone_rang_already_fails_with_its_trunk(
    board: Switchboard, broken: RawPeer
) -> None:
    await _trunk(board, "first", broken.port)
    await _place(board)
    invite = await broken.request("INVITE")
    broken.answer(invite, 180)
    broken.answer(invite, 503)
    assert (await board.over()).sip_code == 503
    assert board.exchange.called(FIRST) == 0


async def test_when_every_trunk_fails_the_call_fails_with_the_last_ones_word(
    board: Switchboard, broken: RawPeer
) -> None:
    await _trunk(board, "first", broken.port)
    await _place(board)
    broken.answer(await broken.request("INVITE"), 500)
    (await board.exchange.ringing(FIRST)).refuse(502)
    ended = await board.over()
    assert (ended.status, ended.sip_code, ended.cost_minor) == (CallStatus.FAILED, 502, 0)
    assert (await board.balance())[1] == 0


async def test_a_hang_up_during_the_second_try_cancels_the_second_try(
    board: Switchboard, broken: RawPeer
) -> None:
    await _trunk(board, "first", free_port(), transport=Transport.TCP)  # nobody listens there
    await _place(board)
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
    assert [why for _, why in await _failed_before(board, call)] == [
        "could not be reached: Service Unavailable"
    ]


async def test_another_process_cancels_the_try_that_is_on_its_way_now(
    board: Switchboard, broken: RawPeer
) -> None:
    await _trunk(board, "first", broken.port)
    await _place(board)
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
    await _trunk(board, "first", broken.port)
    await board.route(forward_to=FIRST)
    caller = await board.exchange.call(NUMBER)
    broken.answer(await broken.request("INVITE"), 503)
    phone = await (await board.exchange.ringing(FIRST)).answer()
    await caller.answered()
    (leg,) = await board.until_legs(CallStatus.ANSWERED)
    assert leg.trunk_id == await _nairobi(board)
    await caller.sip.bye()
    await hung_up(phone)


async def _unheard_of(board: Switchboard, port: int) -> UUID:
    """A trunk that goes first and that nobody has told the node of."""
    new = NewTrunk(name="new", host="127.0.0.1", port=port, priority=1)
    async with board.platform.database.transaction() as connection:
        return (await board.platform.trunks.add(connection, new, OPERATOR, board.clock.now())).id


async def test_a_call_over_a_trunk_that_the_node_has_not_heard_of_goes_over_it_all_the_same(
    board: Switchboard, broken: RawPeer
) -> None:
    added = await _unheard_of(board, broken.port)
    await _place(board)
    invite = await broken.request("INVITE")
    (call,) = await board.calls()
    assert call.trunk_id == added
    assert call.dialog is not None
    assert call.dialog["invite"]["state"]["call_id"] == invite.call_id  # stored before it left
    broken.answer(invite, 486)
    ended = await board.over()
    assert ended.status is CallStatus.BUSY
    assert await _failed_before(board, ended) == []


async def test_so_does_a_leg_that_a_running_call_dials(board: Switchboard, broken: RawPeer) -> None:
    await board.route(forward_to=FIRST)
    added = await _unheard_of(board, broken.port)
    await board.exchange.call(NUMBER)
    broken.answer(await broken.request("INVITE"), 486)
    (leg,) = await board.until_legs(CallStatus.BUSY)
    assert leg.trunk_id == added
    assert await _failed_before(board, leg) == []


async def test_of_a_trunk_taken_away_after_it_was_chosen_the_call_goes_over_the_next(
    board: Switchboard,
) -> None:
    added = await _unheard_of(board, free_port())
    async with board.platform.database.connection() as connection:
        # as the last to touch it: the trunk is chosen by its row, and read without it
        await connection.execute("UPDATE trunks SET removed_at = now() WHERE id = $1", added)
    await _place(board)
    (await board.exchange.ringing(FIRST)).refuse(486)
    ended = await board.over()
    assert ended.status is CallStatus.BUSY
    assert await _failed_before(board, ended) == [(added, "out of service")]


async def test_a_call_placed_after_the_node_was_told_of_a_change_goes_by_the_change(
    board: Switchboard, broken: RawPeer
) -> None:
    async with board.platform.database.transaction() as connection:
        await board.platform.trunks.edit(
            connection,
            "nairobi",
            lambda terms: msgspec.structs.replace(
                terms, port=broken.port, called_form=NumberForm.NATIONAL, called_prefix="77"
            ),
            OPERATOR,
            board.clock.now(),
        )
    board.parts.trunk_watch.wake()
    await _place(board)
    invite = await broken.request("INVITE")
    assert invite.request.uri.user == "77" + FIRST.replace("+254", "0")
    broken.answer(invite, 486)
    await board.over()


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp (sip-tester) is not installed")
async def test_sipp_refuses_with_503_and_the_next_trunk_has_the_call(
    board: Switchboard, tmp_path: Path
) -> None:
    run = SippRunner(tmp_path)
    sipp = await run("uas_refuse", code=503, q850=41)
    try:
        await _trunk(board, "sipp", sipp.hop.port)
        await _place(board)
        ringing = await board.exchange.ringing(FIRST)
        await sipp.succeeded()  # its ACK came
        ringing.refuse(486)
        assert (await board.over()).status is CallStatus.BUSY
    finally:
        await run.stop()


async def test_the_invite_goes_by_the_proxy_with_the_numbers_as_the_trunk_wants_them(
    board: Switchboard, broken: RawPeer
) -> None:
    await _trunk(
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
    await _place(board)
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
        await _trunk(board, "tls", carrier.bound_tls or 0, transport=Transport.TLS, **tls)
        await _place(board)
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
        await _trunk(board, "tls", carrier.bound_tls or 0, transport=Transport.TLS, **tls)
        await _place(board)
        (await board.exchange.ringing(FIRST)).refuse(486)
        ended = await board.over()
        assert ended.status is CallStatus.BUSY
        assert callee.waiting == 0
