"""Supervision on a voice node: who hears whom in each mode, what the supervisor's leg costs, and how it ends."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears, hears_tone, hung_up
from node.softphone import softphone
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.live import lock_live
from sautikitd.calls.live_control import ControlCall
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.supervision.errors import SupervisionInProgress, SupervisorNotConnected
from sautikitd.supervision.models import SupervisionMode, SupervisionRecord, SupervisionState
from simulators.carrier.far_side import Phone

ANSWERED, COMPLETED = CallStatus.ANSWERED, CallStatus.COMPLETED
AGENT, SUPERVISOR, _ = PARTIES


class Watched:
    """A call that is supervised."""

    def __init__(self, board: Switchboard, call_id: UUID) -> None:
        self.board = board
        self.call_id = call_id

    async def begin(self, mode: str, **wish: Any) -> SupervisionRecord:
        columns = {
            "supervision_mode": mode,
            "announce": "none",
            "notify_agent": True,
            "supervisor_type": "phone",
            "supervisor_address": SUPERVISOR,
        } | wish
        now = self.board.clock.now()
        async with self.board.platform.database.transaction() as connection:
            call = await lock_live(connection, self.call_id, now)
            begun = await self.board.platform.supervisions.begin(connection, call, columns, now)
        self.board.parts.node.wake()
        return begun

    async def change(self, mode: str) -> None:
        now = self.board.clock.now()
        async with self.board.platform.database.transaction() as connection:
            call = await lock_live(connection, self.call_id, now)
            supervisions = self.board.platform.supervisions
            await supervisions.change(connection, call, SupervisionMode(mode), now)
        self.board.parts.node.wake()
        await asyncio.sleep(0.1)  # what was said before the change is still on the wire

    async def stop(self) -> None:
        now = self.board.clock.now()
        async with self.board.platform.database.transaction() as connection:
            call = await lock_live(connection, self.call_id, now)
            await self.board.platform.supervisions.stop(connection, call, now)
        self.board.parts.node.wake()

    async def until(self, state: SupervisionState) -> SupervisionRecord:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with self.board.platform.database.connection() as connection:
                    newest = await self.board.platform.supervisions.newest(connection, self.call_id)
                if newest is not None and newest.state is state:
                    return newest
                await asyncio.sleep(0.02)

    async def told(self) -> list[str]:
        async with self.board.platform.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT kind FROM events WHERE call_id = $1 AND kind LIKE 'call.supervision.%' ORDER BY sequence",
                self.call_id,
            )
        return [row["kind"].rpartition(".")[2] for row in rows]


async def _bridged(board: Switchboard) -> tuple[Phone, Phone, Watched]:
    await board.route(forward_to=AGENT)
    caller = await board.exchange.call(NUMBER)
    agent = await (await board.exchange.ringing(AGENT)).answer()
    await caller.answered()
    (leg,) = await board.until_legs(ANSWERED)
    assert leg.parent_call_id
    return caller, agent, Watched(board, leg.parent_call_id)


async def _supervisor(board: Switchboard, watched: Watched) -> Phone:
    phone = await (await board.exchange.ringing(SUPERVISOR)).answer()
    await watched.until(SupervisionState.CONNECTED)
    return phone


async def _leg_of_supervisor(board: Switchboard) -> CallRecord:
    (leg,) = [call for call in await board.calls() if call.to_address == SUPERVISOR]
    return leg


async def test_a_supervisor_listens_whispers_and_barges_in_and_his_leg_is_charged_from_answer_to_leave(
    board: Switchboard,
) -> None:
    caller, agent, watched = await _bridged(board)
    await watched.begin("listen")
    with pytest.raises(SupervisionInProgress):
        await watched.begin("barge")
    with pytest.raises(SupervisorNotConnected):
        await watched.change("barge")
    boss = await _supervisor(board, watched)

    assert await hears(boss.peer, caller.peer, 440)
    assert await hears(boss.peer, agent.peer, 1000)
    assert not await hears(agent.peer, boss.peer, 700)
    await watched.change("whisper")
    assert await hears(agent.peer, boss.peer, 700)
    assert not await hears(caller.peer, boss.peer, 700)
    await watched.change("barge")
    assert await hears(caller.peer, boss.peer, 700)
    assert not hears_tone(boss.peer, 700)

    board.clock.advance(25)
    await boss.sip.bye()
    await watched.until(SupervisionState.ENDED)
    assert await hears(agent.peer, caller.peer, 440)
    leg = await _leg_of_supervisor(board)
    assert (leg.parent_call_id, leg.status, leg.billed_seconds, leg.cost_minor) == (
        watched.call_id,
        COMPLETED,
        25,
        125,
    )
    await caller.sip.bye()
    await hung_up(agent)
    await board.over()
    assert await watched.told() == ["started", "connected", "changed", "changed", "ended"]
    assert await board.balance() == (10_000 - 125 - 125, 0)


async def test_supervision_ends_with_the_call_and_can_be_ended_alone(board: Switchboard) -> None:
    caller, agent, watched = await _bridged(board)
    await watched.begin("listen")
    boss = await _supervisor(board, watched)
    await watched.stop()
    await hung_up(boss)
    assert (await watched.until(SupervisionState.ENDED)).reason == "stopped"
    assert await hears(agent.peer, caller.peer, 440)

    await watched.begin("listen")
    boss = await _supervisor(board, watched)
    await caller.sip.bye()
    await hung_up(boss)
    await hung_up(agent)
    assert (await watched.until(SupervisionState.ENDED)).reason == "call_ended"
    await board.until_all(COMPLETED)


async def test_a_supervisor_who_does_not_answer_or_may_not_be_called_has_failed(board: Switchboard) -> None:
    caller, agent, watched = await _bridged(board)
    await watched.begin("listen")
    (await board.exchange.ringing(SUPERVISOR)).refuse(486)
    assert (await watched.until(SupervisionState.FAILED)).reason == "user_busy"
    await watched.begin("listen", supervisor_address="+12025550123")
    failed = await watched.until(SupervisionState.FAILED)
    assert failed.reason == "calls.destination_forbidden"
    assert await hears(agent.peer, caller.peer, 440)
    await caller.sip.bye()
    await board.over()


async def test_beside_a_single_leg_the_supervisor_hears_prompts_and_follows_into_a_bridge(
    board: Switchboard,
) -> None:
    flow: list[object] = [{"play": {"tone": "beep", "loop": 100}}]
    async with callback_server(voice=[flow], next=[[{"dial": {"number": AGENT}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        await caller.answered()
        await board.until_all(ANSWERED)
        watched = Watched(board, (await board.calls())[0].id)
        await watched.begin("whisper")
        boss = await _supervisor(board, watched)
        async with asyncio.timeout(PATIENCE_S):
            while not hears_tone(boss.peer, 1000):
                await asyncio.sleep(0.02)
        assert await hears(boss.peer, caller.peer, 440)
        assert not await hears(caller.peer, boss.peer, 700)

        await _redirect(board, watched.call_id, server.url("/next"))
        agent = await (await board.exchange.ringing(AGENT)).answer()
        await board.until_legs(ANSWERED, ANSWERED)
        assert await hears(agent.peer, caller.peer, 440)
        assert await hears(boss.peer, agent.peer, 1000)
        assert await hears(agent.peer, boss.peer, 700)
        assert not hears_tone(caller.peer, 700)
        await caller.sip.bye()
        await board.over()
        await watched.until(SupervisionState.ENDED)


async def _redirect(board: Switchboard, call_id: UUID, url: str) -> None:
    control = ControlCall(board.clock)
    async with board.platform.database.transaction() as connection:
        await control.replace_flow(
            connection, call_id, actions=None, voice_callback_url=url, now=board.clock.now()
        )
    board.parts.node.wake()


async def test_the_agent_alone_is_told_when_only_he_is_to_be(board: Switchboard) -> None:
    caller, agent, watched = await _bridged(board)
    await watched.begin("listen", announce="agent")
    before = len(caller.peer.heard())
    boss = await _supervisor(board, watched)
    async with asyncio.timeout(PATIENCE_S):
        while not (abs(agent.peer.recent(0.5)) > 1000).any():
            await asyncio.sleep(0.02)
    assert not (abs(caller.peer.heard()[before:]) > 1000).any()
    await boss.sip.bye()
    await caller.sip.bye()
    await board.over()


async def test_both_are_told_when_both_are_to_be(board: Switchboard) -> None:
    caller, agent, watched = await _bridged(board)
    await watched.begin("listen", announce="both")
    boss = await _supervisor(board, watched)
    async with asyncio.timeout(PATIENCE_S):
        for party in (agent, caller):
            while not (abs(party.peer.heard()) > 1000).any():
                await asyncio.sleep(0.02)
    await boss.sip.bye()
    await caller.sip.bye()
    await board.over()


@pytest.mark.parametrize("kind", ["sip", "client"])
async def test_a_supervisor_on_a_desk_phone_costs_nothing(board: Switchboard, kind: str) -> None:
    caller, agent, watched = await _bridged(board)
    async with softphone(board) as desk:
        await desk.register()
        address = f"{desk.username}@127.0.0.1" if kind == "sip" else desk.username
        await watched.begin("listen", supervisor_type=kind, supervisor_address=address)
        boss = await (await desk.ringing()).answer()
        await watched.until(SupervisionState.CONNECTED)
        assert await hears(boss.peer, caller.peer, 440)
        assert await hears(boss.peer, agent.peer, 1000)
        await boss.sip.bye()
        await watched.until(SupervisionState.ENDED)
        await caller.sip.bye()
        await board.over()
    (leg,) = [call for call in await board.calls() if desk.username in call.to_address]
    assert (leg.status, leg.cost_minor) == (COMPLETED, 0)
