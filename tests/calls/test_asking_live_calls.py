"""What may be asked of a live call, and what is refused; the turns of controlled calls, whoever is first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from calls.scenery import Scene
from sautikitd.calls import commands
from sautikitd.calls.controlled import turns
from sautikitd.calls.controlled.errors import TurnOver
from sautikitd.calls.controlled.feed import ControlFeed
from sautikitd.calls.errors import CallNotLive, Controlled, NodeSilent
from sautikitd.calls.live import SILENT_AFTER
from sautikitd.calls.live_control import ControlCall
from sautikitd.calls.models import CallRecord
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection
from sautikitd.events.log import EventLog
from sautikitd.supervision.models import SupervisionState
from sautikitd.supervision.service import Supervisions

SAY = {"say": {"text": "Hello."}}
TURN = {"state": "Answered"}


async def _answered(scene: Scene, **wishes: Any) -> CallRecord:
    placed = await scene.place(**wishes)
    await scene.claim()
    await scene.answer(placed.id)
    return await scene.call(placed.id)


def _control(scene: Scene) -> ControlCall:
    return ControlCall(scene.platform.clock)


async def _replace(scene: Scene, call: CallRecord, **wish: Any) -> CallRecord:
    given = {"actions": None, "voice_callback_url": None} | wish
    async with scene.platform.database.transaction() as connection:
        return await _control(scene).replace_flow(connection, call.id, now=scene.now, **given)


@asynccontextmanager
async def _books(scene: Scene) -> AsyncIterator[Connection]:
    async with scene.platform.database.transaction() as connection:
        yield connection


async def _waiting(scene: Scene) -> list[str]:
    async with _books(scene) as connection:
        return [command.kind for command in await commands.take(connection, scene.node_id)]


async def test_a_new_flow_is_kept_with_a_queued_call_and_told_to_the_node_of_a_live_one(scene: Scene) -> None:
    live = await _answered(scene)
    await _replace(scene, live, actions=[SAY])
    assert await _waiting(scene) == ["flow.replace"]
    queued = await scene.place(to="+254712345679")
    kept = await _replace(scene, queued, actions=[SAY])
    assert (kept.actions, await _waiting(scene)) == ([SAY], ["flow.replace"])


async def test_nothing_is_asked_of_a_node_that_is_silent_or_of_a_call_that_is_over(scene: Scene) -> None:
    call = await _answered(scene)
    assert isinstance(scene.platform.clock, ManualClock)
    scene.platform.clock.advance((SILENT_AFTER + timedelta(seconds=1)).total_seconds())
    with pytest.raises(NodeSilent):
        await _replace(scene, call, actions=[SAY])
    await scene.end(call.id)
    with pytest.raises(CallNotLive):
        await _replace(scene, call, actions=[SAY])
    assert await _waiting(scene) == []


async def _open(scene: Scene, call: CallRecord, **data: Any) -> int:
    async with _books(scene) as connection:
        opened = await turns.open_turn(connection, call.id, TURN | data, 10_000, scene.now)
    assert opened is not None
    return opened.sequence


async def _respond(scene: Scene, call: CallRecord, turn: int | None = None) -> int:
    async with _books(scene) as connection:
        return await turns.respond(connection, call, turn, [SAY], scene.now)


async def test_a_turn_is_answered_once_and_only_the_one_that_is_open(scene: Scene) -> None:
    call = await _answered(scene, control="mcp")
    first = await _open(scene, call)
    second = await _open(scene, call)
    with pytest.raises(TurnOver):
        await _respond(scene, call, first)
    assert await _respond(scene, call) == second
    for turn in (None, second):
        with pytest.raises(TurnOver):
            await _respond(scene, call, turn)


async def test_an_answer_in_the_last_moment_beats_the_end_of_the_time(scene: Scene) -> None:
    call = await _answered(scene, control="mcp")
    turn = await _open(scene, call)
    await _respond(scene, call)
    async with _books(scene) as connection:
        assert await turns.give_up(connection, call.id, turn, scene.now, last=False) == [SAY]
    turn = await _open(scene, call)
    async with _books(scene) as connection:
        assert await turns.give_up(connection, call.id, turn, scene.now, last=False) is None
    with pytest.raises(TurnOver):
        await _respond(scene, call, turn)


async def test_a_new_flow_overtakes_the_open_turn_and_a_controlled_call_takes_no_callback(
    scene: Scene,
) -> None:
    call = await _answered(scene, control="mcp")
    turn = await _open(scene, call)
    with pytest.raises(Controlled):
        await _replace(scene, call, voice_callback_url="https://a.example/voice")
    await _replace(scene, call, actions=[SAY])
    with pytest.raises(TurnOver):
        await _respond(scene, call, turn)


async def test_whoever_waits_hears_of_a_turn_and_of_the_end(scene: Scene, database_url: str) -> None:
    call = await _answered(scene, control="mcp")
    feed = ControlFeed(scene.platform.database, database_url)
    running = asyncio.ensure_future(feed.run())
    try:
        waiting = asyncio.ensure_future(feed.events(call, 0, 10))
        await asyncio.sleep(0)
        await _open(scene, call, digits="42")
        (event,) = await waiting
        assert (event.kind, event.turn, event.digits) == ("turn", 1, "42")
        waiting = asyncio.ensure_future(feed.events(call, 1, 10))
        await scene.end(call.id)
        (event,) = await waiting
        assert (event.sequence, event.kind, event.status) == (2, "ended", "completed")
        assert await feed.events(call, 2, 0) == []
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_supervision_ends_soon_after_its_call_even_if_its_node_is_dead(scene: Scene) -> None:
    call = await _answered(scene)
    supervisions = Supervisions(EventLog())
    wish = {
        "supervision_mode": "listen",
        "announce": "none",
        "notify_agent": True,
        "supervisor_type": "phone",
        "supervisor_address": "+254713000001",
    }
    async with _books(scene) as connection:
        await supervisions.begin(connection, call, wish, scene.now)
        assert await supervisions.sweep(connection, scene.now) == 0
    await scene.end(call.id)
    async with _books(scene) as connection:
        assert await supervisions.sweep(connection, scene.now + timedelta(seconds=6)) == 1
        assert await supervisions.sweep(connection, scene.now + timedelta(seconds=6)) == 0
        newest = await supervisions.newest(connection, call.id)
    assert newest is not None
    assert (newest.state, newest.reason) == (SupervisionState.ENDED, "call_ended")
    assert (await scene.events(call.id))[-1] == "call.supervision.ended"
