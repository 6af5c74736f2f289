"""An attended transfer whose two dialogs are on different nodes: the one that is asked knows only its own."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hung_up
from node.referrer import Referrer
from node.room_party import nothing_left, rows, until_rows
from node.softphone import credential
from node.switchboard import NUMBER, Switchboard, customer
from node.two_calls import FIRST, SECOND, TwoCalls, connected, dials, phones, two_calls, until_left
from sautikitd.calls import commands
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.outcomes import CallStatus
from sautikitd.node.dialling.transfer_books import TransferRequest

DONE = "SELECT outcome FROM call_commands WHERE done_at IS NOT NULL"


@pytest.mark.parametrize("first_hangs_up", [True, False])
async def test_the_two_others_are_put_together_and_each_leg_is_billed_as_itself(
    board: Switchboard, tmp_path: Path, first_hangs_up: bool
) -> None:
    async with two_calls(board, tmp_path) as calls:
        board.clock.advance(6)
        referrer = Referrer(calls.near)
        assert await referrer.refer_to(SECOND, replaces=calls.asking) == 202
        await hung_up(calls.near)
        await hung_up(calls.asking)
        await referrer.until_told("100 Trying", "200 OK")
        await until_left(board, FIRST, SECOND)
        await connected(calls.first, calls.second)
        board.clock.advance(10)
        leaves, stays = calls.first, calls.second
        if not first_hangs_up:
            leaves, stays = stays, leaves
        await leaves.sip.bye()
        await hung_up(stays)
        ended = await board.until_all(CallStatus.COMPLETED)
        await nothing_left(board)
    seconds = {call.to_address: call.billed_seconds for call in ended if call.parent_call_id}
    assert seconds == {FIRST: 18, SECOND: 16}
    assert [call.billed_seconds for call in ended if not call.parent_call_id] == [8, 6]
    assert len({call.node_id for call in ended}) == 2
    assert len(ended) == 4  # what connects the nodes is in nobody's books
    assert (await board.balance())[1] == 0
    (command,), (room,) = await rows(board, DONE), await rows(board, "SELECT id FROM rooms")
    assert command["outcome"] == str(room["id"])


async def test_a_phone_that_hangs_up_at_once_has_handed_on_all_the_same(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        assert await Referrer(calls.near).refer_to(SECOND, replaces=calls.asking) == 202
        await calls.near.sip.bye()
        await hung_up(calls.asking)
        await connected(calls.first, calls.second)
        await calls.second.sip.bye()
        await hung_up(calls.first)
        await board.until_all(CallStatus.COMPLETED)


@pytest.mark.parametrize("his_node_is_asked", [True, False])
async def test_a_caller_s_flow_goes_on_after_it_on_whichever_node_he_is(
    board: Switchboard, tmp_path: Path, his_node_is_asked: bool
) -> None:
    async with phones(board, tmp_path) as (here, elsewhere, _):
        await here.register()
        flow: list[object] = [{"dial": {"client": here.username, "action": "/after"}}]
        async with callback_server(voice=[flow], after=[[{"pause": {"length": 300}}]]) as server:
            await board.route(voice_callback_url=server.url("/voice"))
            caller = await board.exchange.call(NUMBER)
            rung = await (await here.ringing()).answer()
            await caller.answered()
            await connected(rung, caller)
            asking, asked = await dials(board, elsewhere, SECOND)
            await connected(asking, asked)
            replaced, referring = (rung, asking) if his_node_is_asked else (asking, rung)
            referrer = Referrer(referring)
            assert await referrer.refer_to(SECOND, replaces=replaced) == 202
            await hung_up(rung)
            await hung_up(asking)
            await referrer.until_told("100 Trying", "200 OK")
            await connected(caller, asked)
            board.clock.advance(20)
            await asked.sip.bye()
            async with asyncio.timeout(PATIENCE_S):
                while not (forms := [one.form for one in server.asked if one.path == "/after"]):
                    await asyncio.sleep(0.02)
            await until_left(board, NUMBER)
            await caller.sip.bye()
            calls = await board.until_all(CallStatus.COMPLETED)
    (leg,) = (call for call in calls if call.to_address == SECOND and call.parent_call_id)
    assert (leg.billed_seconds, leg.cost_minor) == (20, 100)
    assert (forms[0]["dialStatus"], forms[0]["dialCallId"]) == ("completed", str(leg.id))


async def test_when_the_other_node_says_nothing_everybody_talks_on_and_nothing_comes_of_it_later(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        referrer = Referrer(calls.near)
        async with board.platform.database.transaction() as connection:
            await connection.execute("LOCK TABLE rooms IN SHARE MODE")  # it is about to agree
            assert await referrer.refer_to(SECOND, replaces=calls.asking) == 202
            assert await Referrer(calls.first).refer_to(SECOND) == 603  # one at a time
            async with asyncio.timeout(PATIENCE_S):
                while referrer.told != ["100 Trying", "603 Decline"]:
                    board.clock.advance(1)
                    await asyncio.sleep(0.1)
        await calls.talk_on()
        assert await Referrer(calls.asking).refer_to(FIRST, replaces=calls.near) == 202
        await connected(calls.first, calls.second)
        assert [row["outcome"] for row in await rows(board, f"{DONE} ORDER BY id LIMIT 1")] == ["withdrawn"]
        assert len(await rows(board, "SELECT id FROM rooms")) == 1


async def test_when_the_other_node_dies_nobody_is_left_with_silence(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        assert await Referrer(calls.near).refer_to(SECOND, replaces=calls.asking) == 202
        await connected(calls.first, calls.second)
        await rows(board, "UPDATE voice_nodes SET stopped_at = now() WHERE id = $1", calls.there.node.node_id)
        await board.parts.reaper.reap()
        await hung_up(calls.first)
        await until_rows(board, 1, "SELECT FROM rooms WHERE end_reason = 'node_lost'")


async def _declined(board: Switchboard, calls: TwoCalls) -> None:
    assert await Referrer(calls.near).refer_to(SECOND, replaces=calls.asking) == 603
    await calls.talk_on()
    assert await rows(board, "SELECT id FROM call_commands") == []


async def test_the_dialog_of_another_workspace_replaces_nothing(board: Switchboard, tmp_path: Path) -> None:
    ids = await customer(board.platform, "Hoteli", "+254207000002", 10_000)
    stranger = await credential(replace(board, workspace_id=ids[0], number_id=ids[1]))
    async with two_calls(board, tmp_path, other=stranger) as calls:
        await _declined(board, calls)


async def _ask_for_second(board: Switchboard, calls: TwoCalls, workspace_id: UUID) -> None:
    """As the board's node would, if it had found the dialog of `asking` for that workspace."""
    assert calls.asking.sip.dialog
    call_id, theirs, ours = calls.asking.sip.dialog.state.key
    near, *_ = await board.calls()
    request = TransferRequest(
        workspace_id=workspace_id,
        mode="live",
        call_id=near.id,
        node_id=board.parts.node.node_id,
        dialog=(call_id, ours, theirs),
    )
    async with board.platform.database.transaction() as connection:
        await commands.give(
            connection,
            near.id,
            CommandKind.TRANSFER_MEET,
            board.clock.now(),
            msgspec.to_builtins(request),
            node_id=calls.there.node.node_id,
        )


async def test_when_nobody_comes_who_asked_for_them_the_two_talk_on(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await _ask_for_second(board, calls, board.workspace_id)
        await until_rows(board, 1, "SELECT FROM room_seats WHERE seated_at IS NOT NULL")
        async with asyncio.timeout(PATIENCE_S):
            while not await rows(board, "SELECT FROM rooms WHERE ended_at IS NOT NULL"):
                board.clock.advance(1)
                await asyncio.sleep(0.1)
        await calls.talk_on()
        await calls.asking.sip.bye()
        await hung_up(calls.second)


async def test_a_node_gives_nobody_to_another_workspace_whoever_asks_it(
    board: Switchboard, tmp_path: Path
) -> None:
    workspace_id, _ = await customer(board.platform, "Hoteli", "+254207000002", 10_000)
    async with two_calls(board, tmp_path) as calls:
        await _ask_for_second(board, calls, workspace_id)
        assert [row["outcome"] for row in await until_rows(board, 1, DONE)] == ["declined"]
        await calls.talk_on()


async def test_a_dialog_whose_node_is_silent_replaces_nothing(board: Switchboard, tmp_path: Path) -> None:
    async with two_calls(board, tmp_path) as calls:
        await rows(
            board,
            "UPDATE voice_nodes SET renewed_at = renewed_at - interval '30 seconds' WHERE id = $1",
            calls.there.node.node_id,
        )
        await _declined(board, calls)
