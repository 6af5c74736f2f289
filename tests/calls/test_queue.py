import asyncio

from calls.scenery import CALLEE, NUMBER, PREPARED, Scene
from factories import advance
from sautikitd.calls import queue
from sautikitd.calls.outcomes import CallStatus
from sautikitd.database.pool import Database


async def test_a_claim_holds_a_minute_and_starts_the_call(scene: Scene) -> None:
    placed = await scene.place()
    claimed = await scene.claim()
    assert claimed is not None
    assert [leg.id for leg in claimed.legs] == [placed.id]
    assert (claimed.call.status, claimed.call.node_id, claimed.call.dialog) == (
        "ringing",
        scene.node_id,
        PREPARED,
    )
    assert (await scene.balance())[1] == 300
    assert await scene.events(placed.id) == ["call.started"]


async def test_a_claimed_call_is_never_claimed_again(scene: Scene) -> None:
    await scene.limit(calls_per_second=1000.0, tokens=1000.0)
    placed = {(await scene.place()).id for _ in range(8)}
    claims = await asyncio.gather(*(scene.claim() for _ in range(16)))
    got = [claim.call.id for claim in claims if claim]
    assert len(got) == len(set(got))
    while claim := await scene.claim():
        got.append(claim.call.id)
    assert sorted(got) == sorted(placed)


async def test_calls_a_second_are_limited_and_refill(scene: Scene) -> None:
    await scene.limit(calls_per_second=2.0, tokens=2.0, tokens_at=scene.now)
    for _ in range(4):
        await scene.place()
    assert [await scene.claim() is not None for _ in range(3)] == [True, True, False]
    advance(scene.platform.clock, seconds=0.5)
    assert await scene.claim() is not None
    assert await scene.claim() is None


async def test_calls_at_once_are_limited_and_a_slot_comes_back(scene: Scene) -> None:
    await scene.limit(max_concurrent_calls=1, calls_per_second=100.0, tokens=100.0)
    first, second = await scene.place(), await scene.place()
    assert await scene.claim() is not None
    assert await scene.claim() is None
    await scene.end(first.id, status=CallStatus.BUSY)
    claimed = await scene.claim()
    assert claimed is not None
    assert claimed.call.id == second.id


async def test_workspaces_take_turns(database: Database) -> None:
    busy, quiet = await Scene.on(database), await Scene.on(database, name="Kibanda")
    for scene in (busy, quiet):
        await scene.limit(calls_per_second=100.0, tokens=100.0)
    for _ in range(5):
        await busy.place()
    await quiet.place()
    turns = []
    for _ in range(3):
        advance(busy.platform.clock, seconds=1)
        claimed = await busy.claim()
        assert claimed is not None
        turns.append(claimed.call.workspace_id)
    assert quiet.workspace.id in turns[:2]


async def test_money_short_at_the_dial_fails_the_call(scene: Scene) -> None:
    await scene.limit(calls_per_second=9999.0, tokens=9999.0, max_concurrent_calls=1000)
    balance, _ = await scene.balance()
    affordable = balance // 300
    calls = [await scene.place() for _ in range(affordable + 1)]
    for _ in calls:
        await scene.claim()
    last = await scene.call(calls[-1].id)
    assert (last.status, last.failure_code) == ("failed", "wallet.insufficient_funds")
    assert await scene.events(last.id) == ["call.failed"]
    assert (await scene.balance())[1] == affordable * 300


async def test_a_group_takes_a_slot_a_hold_and_a_token_for_each_leg(scene: Scene) -> None:
    await scene.limit(calls_per_second=5.0, tokens=5.0, tokens_at=scene.now, max_concurrent_calls=3)
    await scene.place(to=[CALLEE, "+254733000001"])
    single = await scene.place()
    claimed = await scene.claim()
    assert claimed is not None
    assert (len(claimed.legs), (await scene.balance())[1]) == (2, 600)
    following = await scene.claim()
    assert following is not None
    assert following.call.id == single.id


async def test_a_call_waiting_too_long_is_canceled(scene: Scene) -> None:
    call = await scene.place(expires_in_seconds=60)
    advance(scene.platform.clock, seconds=61)
    async with scene.platform.database.transaction() as connection:
        assert await queue.cancel_expired(connection, scene.lifecycle, scene.now) == 1
    ended = await scene.call(call.id)
    assert (ended.status, ended.hangup_cause) == ("canceled", "expired_in_queue")
    assert await scene.events(call.id) == ["call.failed"]


async def test_a_node_without_room_claims_nothing(scene: Scene) -> None:
    await scene.place(to=[CALLEE, "+254733000001"])
    assert await scene.claim(room=1) is None


async def test_a_live_call_without_a_trunk_fails(database: Database) -> None:
    scene = await Scene.on(database, mode="live")
    await scene.platform.inventory(NUMBER)
    await scene.platform.top_up(scene.workspace.id, 50_000)
    await scene.platform.number(scene.workspace.id, NUMBER, "live")
    call = await scene.place()
    await scene.claim()
    ended = await scene.call(call.id)
    assert (ended.status, ended.failure_code) == ("failed", "no_trunk")


async def test_a_node_asks_first_whether_anything_waits(scene: Scene) -> None:
    async with scene.platform.database.connection() as connection:
        assert not await queue.anything_waits(connection)
        await scene.place()
        assert await queue.anything_waits(connection)
        await scene.claim()
        assert not await queue.anything_waits(connection)


async def test_a_claim_of_several_shares_them_between_workspaces(database: Database) -> None:
    busy, quiet = await Scene.on(database), await Scene.on(database, name="Kibanda")
    for scene in (busy, quiet):
        await scene.limit(calls_per_second=100.0, tokens=100.0)
    first = [await busy.place() for _ in range(5)][:2]
    only = await quiet.place()
    claims = await busy.claims(most=4)
    assert {claimed.call.id for claimed in claims.calls} == {first[0].id, first[1].id, only.id}
    assert [len(claimed.legs) for claimed in claims.calls] == [1, 1, 1]


async def test_a_claim_of_several_stops_at_tokens_slots_and_room(scene: Scene) -> None:
    for _ in range(9):
        await scene.place()
    await scene.limit(calls_per_second=3.0, tokens=3.0, tokens_at=scene.now, max_concurrent_calls=5)
    assert len((await scene.claims(most=20)).calls) == 3
    await scene.limit(calls_per_second=100.0, tokens=100.0, tokens_at=scene.now)
    assert len((await scene.claims(most=20)).calls) == 2
    await scene.limit(max_concurrent_calls=100)
    assert len((await scene.claims(most=20, room=1)).calls) == 1
    assert len((await scene.claims(most=20)).calls) == 3


async def test_a_claim_of_several_holds_for_each_until_the_money_is_out(scene: Scene) -> None:
    await scene.limit(calls_per_second=9999.0, tokens=9999.0, max_concurrent_calls=1000)
    balance, _ = await scene.balance()
    affordable = balance // 300
    placed = [await scene.place() for _ in range(affordable + 2)]
    claims = await scene.claims(most=1000, room=1000)
    ended = [claimed.call for claimed in claims.calls if not claimed.legs]
    assert [call.id for call in ended] == [call.id for call in placed[affordable:]]
    assert {call.failure_code for call in ended} == {"wallet.insufficient_funds"}
    assert (await scene.balance())[1] == affordable * 300
