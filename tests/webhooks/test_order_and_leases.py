"""Order per call and endpoint, isolation of endpoints, races, crashes and clean stops."""

import asyncio

import asyncpg

from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.database.wake import Listener, Waker
from sautikitd.events.log import CHANNEL, EventLog
from sautikitd.ids import uuid7
from sautikitd.webhooks.lanes import LaneLimits
from sautikitd.webhooks.queue import LEASE
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Gate, Sink, answering, in_turn
from webhooks.workspace import Workspace


async def test_events_of_a_call_arrive_in_order_though_each_first_attempt_fails(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    await workspace.subscribe(sink.behave("/hook", answering(500)))
    events = await workspace.call(length=6)
    await dispatch()

    received = await sink.wait_for(6)

    assert [r.event_id for r in received] == [str(e.id) for e in events]


async def test_the_next_event_of_a_call_waits_for_the_first_attempt_of_the_one_before(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    gate = Gate()
    await workspace.subscribe(sink.behave("/held", gate))
    await workspace.subscribe(sink.url("/other"))
    first, *_ = events = await workspace.call(length=3)
    await dispatch()

    other = await sink.wait_for(3, "/other")
    assert [r.event_id for r in sink.at("/held")] == [str(first.id)]
    assert [r.event_id for r in other] == [str(e.id) for e in events]

    gate.opened.set()
    held = await sink.wait_for(3, "/held")
    assert [r.event_id for r in held] == [str(e.id) for e in events]


async def test_another_call_does_not_wait(workspace: Workspace, sink: Sink, dispatch: Dispatch) -> None:
    gate = Gate()
    await workspace.subscribe(sink.behave("/hook", in_turn(gate, answering(200))))
    first, *_ = await workspace.call(length=3)
    await dispatch()
    await sink.wait_for(1)
    other = await workspace.call(length=3)

    received = await sink.wait_for(4)

    assert [r.event_id for r in received] == [str(first.id), *[str(e.id) for e in other]]
    gate.opened.set()


async def test_two_dispatchers_share_the_work_without_delivering_twice_and_keep_the_order(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    await workspace.subscribe(sink.url("/hook"))
    calls = [await workspace.call(length=4) for _ in range(15)]
    one, two = await dispatch(), await dispatch()

    await sink.wait_for(60)
    await one.stopped()
    await two.stopped()

    received = [r.event_id for r in sink.received]
    assert len(received) == len(set(received)) == 60
    for events in calls:
        expected = [str(e.id) for e in events]
        assert [r for r in received if r in expected] == expected


async def test_what_a_killed_dispatcher_held_is_delivered_by_another_once_its_lease_lapses(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    gate = Gate()
    await workspace.subscribe(sink.behave("/hook", in_turn(gate, answering(200))))
    events = await workspace.call(length=3)
    doomed = await dispatch()
    await sink.wait_for(1)
    await doomed.kill()
    (held, *_) = await workspace.deliveries("status, lease_until")
    assert held["status"] == "delivering"

    workspace.clock.advance(LEASE.total_seconds() + 1)
    await dispatch()

    received = await sink.wait_for(4)
    first = str(events[0].id)
    assert [r.event_id for r in received] == [first, *[str(e.id) for e in events]]


async def test_a_late_outcome_of_a_lapsed_lease_changes_nothing(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    gate = Gate(status=500)
    await workspace.subscribe(sink.behave("/hook", in_turn(gate, answering(200))))
    await workspace.emit()
    slow = await dispatch(grace_s=5)
    await sink.wait_for(1)
    workspace.clock.advance(LEASE.total_seconds() + 1)
    await dispatch()
    await sink.wait_for(2)

    async def succeeded() -> bool:
        return [row["status"] for row in await workspace.deliveries("id, status")] == ["succeeded"]

    await until(succeeded)
    gate.opened.set()
    await slow.stopped()

    assert await succeeded()
    assert [a["response_status"] for a in await workspace.attempts()] == [200]


async def test_a_stop_waits_for_what_is_under_way_and_gives_the_rest_back(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    hanging = Gate()
    await workspace.subscribe(sink.behave("/hanging", hanging))
    await workspace.subscribe(sink.url("/quick"))
    await workspace.emit()
    running = await dispatch(grace_s=0.3)
    await sink.wait_for(2)

    await running.stopped()

    rows = {r["url"]: r for r in await workspace.deliveries()}
    assert rows[sink.url("/quick")]["status"] == "succeeded"
    assert rows[sink.url("/hanging")]["status"] == "pending"
    assert rows[sink.url("/hanging")]["attempts"] == 0
    hanging.opened.set()


async def test_hanging_endpoints_fill_their_own_lanes_and_the_others_go_on(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    limits = LaneLimits(total=40, per_lane=4, share=8, workspace_part=1.0, burst=2)
    gates = [Gate() for _ in range(10)]
    for number, gate in enumerate(gates):
        await workspace.subscribe(sink.behave(f"/hanging/{number}", gate))
    for _ in range(20):
        await workspace.emit()
    await dispatch(limits)
    await sink.wait_for(10)
    await workspace.subscribe(sink.url("/healthy"))
    events = [await workspace.emit() for _ in range(40)]

    await sink.wait_for(40, "/healthy")

    assert {r.event_id for r in sink.at("/healthy")} == {str(e.id) for e in events}
    assert all(1 <= gate.held <= 4 for gate in gates)
    assert sum(gate.held for gate in gates) < limits.total
    for gate in gates:
        gate.opened.set()


async def test_an_endpoint_that_keeps_failing_is_tried_one_at_a_time(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    gate = Gate(status=500)
    failing = [answering(500)] * 5
    await workspace.subscribe(sink.behave("/hook", in_turn(*failing, gate)))
    running = await dispatch(LaneLimits(broken_after=5))
    for _ in range(5):
        await workspace.emit()
    await sink.wait_for(5)
    for _ in range(5):
        await workspace.emit()
    await workspace.subscribe(sink.url("/other"))
    await workspace.emit()

    await sink.wait_for(1, "/other")
    await sink.wait_for(6, "/hook")

    assert gate.held == 1
    gate.opened.set()
    await running.stopped()


async def test_an_endpoint_that_asks_for_a_pause_is_left_alone_for_a_minute_at_most_and_others_are_not(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    busy = answering(503, {"Retry-After": "3600"})
    await workspace.subscribe(sink.behave("/hook", in_turn(busy, answering(200))))
    await dispatch()
    await workspace.emit()

    async def tried() -> bool:
        return bool((await workspace.deliveries("id, attempts"))[0]["attempts"] == 1)

    await until(tried)
    await workspace.subscribe(sink.url("/other"))
    await workspace.emit()
    await sink.wait_for(1, "/other")
    workspace.clock.advance(59)
    await workspace.emit()
    await sink.wait_for(2, "/other")
    assert len(sink.at("/hook")) == 1
    workspace.clock.advance(2)
    await sink.wait_for(3, "/hook")


async def test_an_event_rolled_back_is_never_delivered(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    await workspace.subscribe(sink.url("/hook"))
    await dispatch()
    async with workspace.database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await EventLog().record(connection, workspace.event(call_id=uuid7(), sequence=1))
        await transaction.rollback()
    kept = await workspace.emit()

    (received,) = await sink.wait_for(1)

    assert received.event_id == str(kept.id)
    assert len(await workspace.deliveries("id")) == 1


async def test_lost_database_connections_delay_deliveries_and_lose_none(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until, database_url: str
) -> None:
    gate = Gate()
    await workspace.subscribe(sink.behave("/hook", in_turn(gate, answering(200))))
    calls = [await workspace.call(length=3) for _ in range(5)]
    await dispatch()
    await sink.wait_for(1)
    other = await asyncpg.connect(database_url)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )
    await other.close()
    gate.opened.set()

    async def all_succeeded() -> bool:
        try:
            rows = await workspace.deliveries("id, status")
        except DatabaseUnavailable:  # our own connections were cut as well
            return False
        return {row["status"] for row in rows} == {"succeeded"}

    await until(all_succeeded)
    assert {r.event_id for r in sink.received} == {str(e.id) for events in calls for e in events}


async def test_a_notification_wakes_a_dispatcher_that_would_sleep_for_long(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, database_url: str
) -> None:
    await workspace.subscribe(sink.url("/hook"))
    running = await dispatch(poll_s=60)
    listening = asyncio.create_task(Listener(database_url, {CHANNEL: running.dispatcher.wake}).run())
    await workspace.emit()
    await sink.wait_for(1)  # found by the first look, or when listening began
    await workspace.emit()
    waker = Waker(workspace.database)
    await waker.wake(CHANNEL)

    await sink.wait_for(2)

    await waker.close()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
