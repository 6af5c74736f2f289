import asyncio

import asyncpg
import pytest

from calls.scenery import CALLEE, Scene
from factories import advance
from sautikitd.calls import leases
from sautikitd.calls.lifecycle import Covered
from sautikitd.calls.outcomes import CallStatus, HangupCause


async def test_an_answered_call_is_charged_by_the_second_once(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    before, _ = await scene.balance()
    ended = await scene.end(call.id, after_s=36.2)
    again = await scene.end(call.id, after_s=90)
    assert (ended.status, ended.billed_seconds, ended.cost_minor) == ("completed", 37, 185)
    assert again.cost_minor == 185
    assert await scene.balance() == (before - 185, 0)
    assert await scene.events(call.id) == ["call.started", "call.answered", "call.completed"]


async def test_the_last_event_names_the_ledger_entry_that_charged_the_call(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    await scene.end(call.id, after_s=36)
    async with scene.platform.database.connection() as connection:
        data = await connection.fetchval(
            "SELECT data FROM events WHERE call_id = $1 AND kind = 'call.completed'", call.id
        )
        entry = await connection.fetchval("SELECT id FROM ledger_transactions WHERE call_id = $1", call.id)
    (line,) = data["call"]["cost_breakdown"]
    assert (line["amount_minor"], line["ledger_entry_id"]) == (180, str(entry))


async def test_an_unanswered_call_costs_nothing(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    before, held = await scene.balance()
    ended = await scene.end(call.id, status=CallStatus.BUSY, cause=HangupCause.USER_BUSY)
    assert (held, ended.status, ended.cost_minor, ended.failure_code) == (300, "busy", 0, "user_busy")
    assert await scene.balance() == (before, 0)
    assert await scene.events(call.id) == ["call.started", "call.failed"]


async def test_no_more_than_the_hold_is_ever_charged(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    assert (await scene.end(call.id, after_s=1000)).cost_minor == 300


async def test_the_hold_grows_with_the_call_and_is_never_summed(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    assert (await scene.extend(call.id, 120)).seconds == 120
    assert (await scene.extend(call.id, 120)).seconds == 120
    assert (await scene.balance())[1] == 600


async def test_the_last_growth_is_the_whole_seconds_that_can_be_paid(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    balance, _ = await scene.balance()
    covered = await scene.extend(call.id, 1_000_000)
    assert covered == Covered(seconds=balance * 60 // 300, short_of=HangupCause.INSUFFICIENT_FUNDS)
    assert (await scene.balance())[1] <= balance


@pytest.mark.parametrize("cause", [HangupCause.MEDIA_TIMEOUT, HangupCause.NODE_LOST])
async def test_an_answered_call_that_broke_is_failed_and_paid(scene: Scene, cause: HangupCause) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.answer(call.id)
    ended = await scene.end(call.id, cause=cause, after_s=10)
    assert (ended.status, ended.failure_code, ended.cost_minor) == ("failed", cause.value, 50)
    assert (await scene.events(call.id))[-1] == "call.failed"


async def test_an_answer_after_the_end_changes_nothing(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.end(call.id, status=CallStatus.CANCELED)
    late = await scene.answer(call.id)
    assert late is not None
    assert late.status is CallStatus.CANCELED


async def test_one_leg_of_a_group_wins_however_many_answer_at_once(scene: Scene) -> None:
    parent = await scene.place(to=[CALLEE, "+254733000001", "+254733000002"])
    claimed = await scene.claim()
    assert claimed is not None

    async def answer(index: int) -> bool:
        async with scene.platform.database.transaction() as connection:
            return await scene.lifecycle.win(connection, parent.id, claimed.legs[index].id, scene.now, {})

    won = await asyncio.gather(*(answer(index) for index in range(3)))
    assert sum(won) == 1
    shown = await scene.call(parent.id)
    assert (shown.status, shown.to_address) == ("answered", claimed.legs[won.index(True)].to_address)


async def test_the_database_refuses_a_step_backwards(scene: Scene) -> None:
    call = await scene.place()
    await scene.claim()
    await scene.end(call.id, status=CallStatus.BUSY)
    async with scene.platform.database.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE calls SET status = 'ringing' WHERE id = $1", call.id)


async def test_a_dead_nodes_calls_end_billed_to_its_last_renewal(scene: Scene) -> None:
    answered, ringing = await scene.place(), await scene.place()
    for _ in range(2):
        await scene.limit(tokens=5.0)
        await scene.claim()
    await scene.answer(answered.id)
    advance(scene.platform.clock, seconds=5)
    async with scene.platform.database.transaction() as connection:
        assert await leases.renew(connection, scene.node_id, scene.now)
    advance(scene.platform.clock, seconds=19)
    async with scene.platform.database.transaction() as connection:
        assert await leases.lapsed(connection, scene.now) == []
    advance(scene.platform.clock, seconds=1)
    async with scene.platform.database.transaction() as connection:
        assert await leases.lapsed(connection, scene.now) == [scene.node_id]
        reaped = await leases.reap(connection, scene.lifecycle, scene.node_id, scene.now)
        orphans = await leases.orphan_dialogs(connection, scene.now + leases.LEASE * 10)
    assert (
        {one.call.id for one in reaped} == {answered.id, ringing.id} == {orphan.call_id for orphan in orphans}
    )
    ended = await scene.call(answered.id)
    assert (ended.status, ended.failure_code, ended.billed_seconds) == ("failed", "node_lost", 5)
    assert (await scene.call(ringing.id)).status is CallStatus.FAILED
    assert (await scene.balance())[1] == 0


async def test_a_lapsed_node_cannot_renew(scene: Scene) -> None:
    advance(scene.platform.clock, seconds=21)
    async with scene.platform.database.transaction() as connection:
        assert not await leases.renew(connection, scene.node_id, scene.now)
