"""Conferences as rows: who may enter, when they start and end, and the events that go with it."""

import asyncio

import pytest

from factories import advance
from rooms.hall import Hall
from sautikitd.rooms.lifecycle import RoomIsFull
from sautikitd.rooms.models import LeaveReason, RoomStatus
from sautikitd.rooms.story import kinds_of


async def test_it_starts_with_the_second_and_ends_with_the_last_and_every_event_is_numbered(
    hall: Hall,
) -> None:
    first, second = await hall.call(), await hall.call()
    room, seat = await hall.enter(first)
    assert room.status is RoomStatus.WAITING
    room, other = await hall.enter(second, muted=True)
    assert room.status is RoomStatus.LIVE
    advance(hall.scene.platform.clock, seconds=7)
    await hall.leave(seat)
    await hall.leave(other, LeaveReason.KICKED)
    told = await hall.told("conference")
    assert [(one["kind"], one["sequence"], one["participants"]) for one in told] == [
        ("participant_joined", 1, 1),
        ("participant_joined", 2, 2),
        ("started", 3, 2),
        ("participant_left", 4, 1),
        ("participant_left", 5, 0),
        ("ended", 6, 0),
    ]
    assert (told[1]["call_id"], told[1]["muted"]) == (str(second.id), True)
    assert (told[4]["reason"], told[4]["duration_seconds"]) == ("kicked", 7)
    assert (told[5]["reason"], told[5]["duration_seconds"]) == ("everybody_left", 7)


async def test_a_name_is_free_again_when_the_conference_has_ended(hall: Hall) -> None:
    call = await hall.call()
    room, _ = await hall.enter(call)
    await hall.end(room)
    again, _ = await hall.enter(call)
    assert again.id != room.id


async def test_entering_and_leaving_twice_count_once(hall: Hall) -> None:
    call = await hall.call()
    _, seat = await hall.enter(call)
    _, again = await hall.enter(call)
    left = await hall.leave(seat)
    assert again.id == seat.id
    assert await hall.leave(seat, LeaveReason.KICKED) == left
    assert len(await hall.told("conference")) == 3


async def test_a_full_room_takes_nobody_whatever_the_newcomer_allows(hall: Hall) -> None:
    await hall.enter(await hall.call(), max_seats=1)
    with pytest.raises(RoomIsFull):
        await hall.enter(await hall.call(), max_seats=10)


async def test_two_who_come_first_at_once_meet_in_one_room(hall: Hall) -> None:
    calls = [await hall.call() for _ in range(4)]
    entered = await asyncio.gather(*(hall.enter(call) for call in calls))
    assert len({room.id for room, _ in entered}) == 1


async def test_status_events_go_to_the_address_that_asked_for_them(hall: Hall) -> None:
    url = "https://example.co.ke/status"
    wanted = kinds_of(("start", "end"))
    await hall.enter(await hall.call(), status_url=url, status_events=wanted)
    room, _ = await hall.enter(await hall.call())
    await hall.end(room)
    sent = await hall.rows(
        "SELECT e.kind FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE d.url = $1", url
    )
    assert sorted(row["kind"] for row in sent) == ["conference.ended", "conference.started"]


async def test_what_a_dead_node_left_is_given_back(hall: Hall) -> None:
    dead = hall.scene.node_id
    gone = await hall.call()
    await hall.enter(gone)
    await hall.enqueue(gone)
    living = await hall.scene.new_node()
    survivor = await hall.call()
    await hall.enter(survivor)
    await hall.enter(survivor, name="other")
    assert await hall.sweep() == 0
    await hall.stop_node(dead)
    assert await hall.sweep() == 2
    assert await hall.sweep() == 0
    rooms = await hall.rows("SELECT name, node_id, end_reason FROM rooms ORDER BY id")
    assert [(row["name"], row["end_reason"]) for row in rooms] == [("board", None), ("other", None)]
    assert {row["node_id"] for row in rooms} == {living}
    left = await hall.rows("SELECT call_id, leave_reason FROM room_seats WHERE left_at IS NOT NULL")
    assert [tuple(row.values()) for row in left] == [(gone.id, "node_lost")]
    assert (await hall.told("queue"))[-1]["result"] == "hangup"


@pytest.mark.parametrize(("alone", "ends"), [(True, False), (False, True)])
async def test_a_room_of_a_dead_node_ends_where_nobody_is_left_or_its_host_is_lost(
    hall: Hall, alone: bool, ends: bool
) -> None:
    dead = hall.scene.node_id
    await hall.enter(await hall.call(), ends=ends)
    await hall.scene.new_node()
    if not alone:
        await hall.enter(await hall.call())
    await hall.stop_node(dead)
    assert await hall.sweep() == 1
    (room,) = await hall.rows("SELECT status, end_reason FROM rooms")
    assert tuple(room.values()) == ("ended", "node_lost")
    assert (await hall.told("conference"))[-1]["reason"] == "node_lost"


async def test_seats_of_calls_that_have_ended_are_given_back_after_a_while(hall: Hall) -> None:
    call = await hall.call()
    _, seat = await hall.enter(call)
    await hall.scene.end(call.id)
    assert await hall.sweep() == 0  # its node is at it
    advance(hall.scene.platform.clock, seconds=11)
    assert await hall.sweep() == 1
    left = await hall.rows("SELECT leave_reason FROM room_seats WHERE id = $1", seat.id)
    assert left[0]["leave_reason"] == "hangup"
