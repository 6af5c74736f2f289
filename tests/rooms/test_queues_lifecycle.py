"""Queues as rows: the oldest first, one taker for each caller, and the events that go with it."""

import asyncio

import pytest

from factories import advance
from rooms.hall import Hall
from sautikitd.rooms.models import LeaveReason
from sautikitd.rooms.queues.lifecycle import QueueIsFull
from sautikitd.rooms.queues.models import QueueResult


async def test_the_oldest_is_taken_and_nobody_where_nobody_waits(hall: Hall) -> None:
    first, second, agent = [await hall.call() for _ in range(3)]
    await hall.enqueue(first)
    await hall.enqueue(second)
    taken = [await hall.take(agent) for _ in range(3)]
    assert [one.member.call_id if one else None for one in taken] == [first.id, second.id, None]


async def test_many_who_take_at_once_get_a_caller_each(hall: Hall) -> None:
    callers = [await hall.call() for _ in range(4)]
    agents = [await hall.call() for _ in range(5)]
    for caller in callers:
        await hall.enqueue(caller)
    taken = await asyncio.gather(*(hall.take(agent) for agent in agents))
    got = [one.member.call_id for one in taken if one]
    assert sorted(got) == sorted(caller.id for caller in callers)


async def test_who_has_hung_up_in_this_moment_is_passed_over(hall: Hall) -> None:
    gone, waiting, agent = [await hall.call() for _ in range(3)]
    await hall.enqueue(gone)
    await hall.enqueue(waiting)
    await hall.scene.end(gone.id)
    taken = await hall.take(agent)
    assert taken is not None
    assert taken.member.call_id == waiting.id


async def test_who_was_not_met_waits_on_at_his_old_place(hall: Hall) -> None:
    first, second, agent = [await hall.call() for _ in range(3)]
    member = await hall.enqueue(first)
    await hall.enqueue(second)
    taken = await hall.take(agent)
    assert taken is not None
    await hall.leave(taken.own_seat, LeaveReason.HANGUP)
    async with hall.transaction() as connection:
        await hall.queues.return_to_queue(connection, member.id)
    again = await hall.take(agent)
    assert again is not None
    assert again.member.id == member.id


async def test_a_full_queue_takes_nobody(hall: Hall) -> None:
    await hall.enqueue(await hall.call(), most=1)
    with pytest.raises(QueueIsFull):
        await hall.enqueue(await hall.call(), most=1)


async def test_the_events_tell_position_wait_and_result(hall: Hall) -> None:
    caller, other, agent = [await hall.call() for _ in range(3)]
    member = await hall.enqueue(caller)
    await hall.enqueue(other)
    advance(hall.scene.platform.clock, seconds=12)
    assert await hall.take(agent)
    async with hall.transaction() as connection:
        await hall.queues.connected(connection, member.id, hall.scene.now)
    advance(hall.scene.platform.clock, seconds=30)
    left = await hall.leave_queue(member, QueueResult.BRIDGED)
    assert await hall.leave_queue(member, QueueResult.HANGUP) == left
    told = await hall.told("queue")
    assert [(one["kind"], one["size"], one["wait_seconds"]) for one in told] == [
        ("entered", 1, 0),
        ("entered", 2, 0),
        ("connected", 1, 12),
        ("left", 1, 12),
    ]
    assert (told[1]["position"], told[3]["result"]) == (2, "bridged")
    assert told[3]["taken_by_call_id"] == str(agent.id)
