"""Channel and rate caps of trunks, held across the nodes that claim from one queue."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from calls.scenery import CALLEE, NUMBER, Scene
from factories import BOX, advance
from sautikitd.calls.claiming import Claimed
from sautikitd.calls.outcomes import CallStatus
from sautikitd.calls.requests import PlaceCall
from sautikitd.database.pool import Database
from sautikitd.identity.audit import OPERATOR
from sautikitd.trunks.models import NewTrunk, TrunkState
from sautikitd.trunks.service import Trunks

OTHER = "+254733000001"


@pytest.fixture
async def live(database: Database) -> Scene:
    """A live workspace that may place many calls at once."""
    return await _live_scene(database, NUMBER)


async def _live_scene(database: Database, number: str, name: str = "Duka") -> Scene:
    scene = await Scene.on(database, mode="live", name=name)
    await scene.platform.inventory(number)
    await scene.platform.top_up(scene.workspace.id, 500_000)
    await scene.platform.number(scene.workspace.id, number, "live")
    await scene.limit(calls_per_second=1000.0, tokens=1000.0, max_concurrent_calls=100)
    return scene


async def _trunk(scene: Scene, name: str, **terms: Any) -> UUID:
    async with scene.platform.database.transaction() as connection:
        new = NewTrunk(name=name, host="192.0.2.1", **terms)
        return (await Trunks(BOX).add(connection, new, OPERATOR, scene.now)).id


def _started(claims: list[Claimed | None]) -> list[Claimed]:
    return [claim for claim in claims if claim and claim.legs]


async def test_two_nodes_never_start_more_calls_than_a_trunk_has_channels(live: Scene) -> None:
    trunk = await _trunk(live, "three", max_channels=3)
    for _ in range(10):
        await live.place()
    for _ in range(4):  # a node more each time, its claims crossing each other
        await live.new_node()
        await asyncio.gather(*(live.claim() for _ in range(6)))
        advance(live.platform.clock, seconds=1)
    async with live.platform.database.connection() as connection:
        ringing = await connection.fetchval(
            "SELECT count(*) FROM calls WHERE trunk_id = $1 AND status = 'ringing'", trunk
        )
    assert ringing == 3


async def test_a_call_without_room_waits_and_starts_when_a_channel_is_free(live: Scene) -> None:
    await _trunk(live, "one", max_channels=1)
    first, second = await live.place(), await live.place()
    assert len(_started([await live.claim(), await live.claim()])) == 1
    assert (await live.call(second.id)).status is CallStatus.QUEUED
    await live.end(first.id, status=CallStatus.BUSY)
    advance(live.platform.clock, seconds=1)
    (claimed,) = _started([await live.claim()])
    assert claimed.call.id == second.id


async def test_calls_a_second_of_a_trunk_are_held_and_refill(live: Scene) -> None:
    await _trunk(live, "slow", max_cps=2.0)
    for _ in range(5):
        await live.place()
    assert len(_started([await live.claim() for _ in range(4)])) == 2
    advance(live.platform.clock, seconds=0.5)
    assert len(_started([await live.claim() for _ in range(2)])) == 1


async def test_a_full_trunk_makes_room_on_the_next(live: Scene) -> None:
    first = await _trunk(live, "first", max_channels=1, priority=1)
    second = await _trunk(live, "second")
    for _ in range(2):
        await live.place()
    claims = _started([await live.claim(), await live.claim()])
    assert [claim.call.trunk_id for claim in claims] == [first, second]


async def test_a_workspace_that_waits_for_a_trunk_keeps_nobody_else_waiting(database: Database) -> None:
    waiting = await _live_scene(database, NUMBER)
    other = await _live_scene(database, "+254207000002", "Kibanda")
    await _trunk(waiting, "safaricom", prefixes=("25471",), max_channels=1)
    await _trunk(waiting, "airtel", prefixes=("25473",))
    for _ in range(3):
        await waiting.place()
    async with database.transaction() as connection:
        wish = PlaceCall(from_="+254207000002", to=OTHER)
        moving = await other.placing.place(connection, other.principal, wish)
    started = _started([await waiting.claim() for _ in range(4)])
    assert moving.id in [claim.call.id for claim in started]
    assert len(started) == 2


async def test_a_number_that_no_trunk_takes_fails_at_once(live: Scene) -> None:
    await _trunk(live, "airtel", prefixes=("25473",))
    call = await live.place(to=CALLEE)
    await live.claim()
    ended = await live.call(call.id)
    assert (ended.status, ended.failure_code) == ("failed", "no_trunk")


async def test_a_group_larger_than_its_trunk_rings_as_many_as_fit(live: Scene) -> None:
    await _trunk(live, "two", max_channels=2)
    await live.place(to=[CALLEE, OTHER, "+254722000001"])
    claimed = await live.claim()
    assert claimed is not None
    assert len(claimed.legs) == 2
    async with live.platform.database.connection() as connection:
        causes = await connection.fetch("SELECT hangup_cause FROM calls WHERE status = 'failed'")
    assert [row["hangup_cause"] for row in causes] == ["congestion"]


async def test_a_group_waits_for_room_for_all_where_that_can_come(live: Scene) -> None:
    await _trunk(live, "two", max_channels=2)
    single = await live.place()
    await live.claim()
    await live.place(to=[CALLEE, OTHER])
    assert _started([await live.claim()]) == []
    await live.end(single.id, status=CallStatus.BUSY)
    advance(live.platform.clock, seconds=1)
    (claimed,) = _started([await live.claim()])
    assert len(claimed.legs) == 2


async def test_a_trunk_that_is_down_is_used_when_there_is_no_other(live: Scene) -> None:
    down = await _trunk(live, "down", priority=1)
    async with live.platform.database.transaction() as connection:
        await Trunks(BOX).set_state(connection, down, TrunkState.FAILED, "no answer to OPTIONS", live.now)
    await live.place()
    (claimed,) = _started([await live.claim()])
    assert claimed.call.trunk_id == down
    up = await _trunk(live, "up")
    await live.place()
    (claimed,) = _started([await live.claim()])
    assert claimed.call.trunk_id == up
