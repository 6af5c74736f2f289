"""Eight attempts, their gaps, Retry-After, and when an endpoint is given up."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from sautikitd.webhooks.schedule import GAPS, MAX_ATTEMPTS, next_attempt
from sautikitd.webhooks.service import url_set
from webhooks.dispatching import Dispatch, Until
from webhooks.sink import Sink, answering, in_turn
from webhooks.workspace import Workspace

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_the_gaps_are_those_of_the_contract() -> None:
    assert [gap.total_seconds() for gap in GAPS] == [30, 120, 600, 1800, 7200, 21600, 86400]
    assert MAX_ATTEMPTS == 8


@pytest.mark.parametrize("finished", range(1, 8))
def test_a_gap_is_drawn_evenly_from_its_half_to_its_whole(finished: int) -> None:
    randomness = random.Random(finished)
    whole = GAPS[finished - 1].total_seconds()
    drawn = [next_attempt(NOW, finished, None, randomness) for _ in range(2000)]
    seconds = [(moment - NOW).total_seconds() / whole for moment in drawn if moment]
    assert len(seconds) == 2000
    assert 0.5 <= min(seconds) < 0.51
    assert 0.99 < max(seconds) <= 1.0
    assert abs(sum(seconds) / len(seconds) - 0.75) < 0.01


def test_there_is_no_ninth_attempt() -> None:
    assert next_attempt(NOW, 8, None, random.Random()) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3600", 3600),
        ("Mon, 23 Nov 2026 10:00:00 GMT", 3600),
        ("999999", 86_400),
        ("9" * 40, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
    ],
)
def test_retry_after_lengthens_a_gap_up_to_a_day(header: str, seconds: float) -> None:
    assert next_attempt(NOW, 1, header, random.Random()) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("header", ["1", "0", "-5", "soon", "", "Mon, 23 Nov 2026 08:00:00 GMT", "١٢٠"])
def test_retry_after_never_shortens_a_gap(header: str) -> None:
    with_header = next_attempt(NOW, 3, header, random.Random(1))
    assert with_header == next_attempt(NOW, 3, None, random.Random(1))


async def test_a_dead_endpoint_gets_eight_attempts_on_schedule_and_then_a_dead_letter(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    await workspace.subscribe(sink.behave("/hook", answering(503)))
    await workspace.emit()
    await dispatch()

    for number in range(1, 9):
        await sink.wait_for(number)

        async def finished(number: int = number) -> bool:
            return bool((await workspace.deliveries("id, attempts"))[0]["attempts"] == number)

        await until(finished)
        (row,) = await workspace.deliveries()
        if number < 8:
            gap = row["due_at"] - workspace.clock.now()
            assert GAPS[number - 1] / 2 <= gap <= GAPS[number - 1] + timedelta(seconds=1)
            workspace.clock.advance(gap.total_seconds() - 0.001)
            assert len(sink.received) == number
            workspace.clock.advance(0.002)

    assert row["status"] == "dead_letter"
    assert len({r.body for r in sink.received}) == 1
    assert len({r.headers["x-sautikit-delivery-id"] for r in sink.received}) == 1
    assert [a["attempt"] for a in await workspace.attempts()] == list(range(1, 9))


async def test_retry_after_of_a_response_is_honoured(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    busy = answering(429, {"Retry-After": "7200"})
    await workspace.subscribe(sink.behave("/hook", in_turn(busy, answering(200))))
    await workspace.emit()
    await dispatch()
    await sink.wait_for(1)

    async def finished() -> bool:
        return bool((await workspace.deliveries("id, attempts"))[0]["attempts"] == 1)

    await until(finished)
    (row,) = await workspace.deliveries()
    assert 7200 <= (row["due_at"] - workspace.clock.now()).total_seconds() < 7201


async def test_an_endpoint_that_answers_410_is_disabled_and_the_others_are_told(
    workspace: Workspace, sink: Sink, dispatch: Dispatch
) -> None:
    gone, _ = await workspace.subscribe(sink.behave("/gone", answering(410)))
    await workspace.subscribe(sink.url("/other"), "webhook.disabled")
    event = await workspace.emit()
    await dispatch()

    (told,) = await sink.wait_for(1, "/other")

    assert told.headers["x-sautikit-event-kind"] == "webhook.disabled"
    assert str(gone).encode() in told.body
    async with workspace.database.connection() as connection:
        row = await connection.fetchrow("SELECT enabled, disabled_reason FROM webhooks WHERE id = $1", gone)
        stored = await connection.fetchval("SELECT count(*) FROM events WHERE id = $1", event.id)
    assert tuple(row) == (False, "gone")
    assert stored == 1
    await workspace.emit()
    assert len([r for r in await workspace.deliveries() if r["webhook_id"] == gone]) == 1


async def test_a_url_that_answers_410_rests_until_it_is_set_anew(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    url = sink.behave("/events", answering(410))
    await workspace.emit("call.started", url)
    await dispatch()

    async def resting() -> bool:
        async with workspace.database.connection() as connection:
            return bool(
                await connection.fetchval(
                    "SELECT disabled_until IS NOT NULL FROM webhook_health WHERE url = $1", url
                )
            )

    await until(resting)
    await workspace.emit("call.started", url)
    assert len(await workspace.deliveries("id")) == 1

    async with workspace.database.transaction() as connection:
        await url_set(connection, workspace.id, "test", url)
    await workspace.emit("call.started", url)
    assert len(await workspace.deliveries("id")) == 2


async def test_five_days_and_ten_attempts_without_success_disable_an_endpoint(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    webhook_id, _ = await workspace.subscribe(sink.behave("/hook", answering(500)))
    await dispatch()

    async def failures(count: int) -> None:
        async def counted() -> bool:
            async with workspace.database.connection() as connection:
                return bool(await connection.fetchval("SELECT failures = $1 FROM webhook_health", count))

        await until(counted)

    async def enabled() -> bool:
        async with workspace.database.connection() as connection:
            return bool(await connection.fetchval("SELECT enabled FROM webhooks WHERE id = $1", webhook_id))

    for _ in range(12):
        await workspace.emit()
    await failures(12)
    assert await enabled()
    workspace.clock.advance(timedelta(days=5).total_seconds() + 1)

    async def disabled() -> bool:
        return not await enabled()

    await until(disabled)
    async with workspace.database.connection() as connection:
        data = await connection.fetchval("SELECT data FROM events WHERE kind = 'webhook.disabled'")
    assert data["reason"] == "failing"
    assert data["webhook_id"] == str(webhook_id)
    assert data["failing_since"] == "2026-11-23T09:00:00.000Z"


async def test_one_success_starts_the_count_anew(
    workspace: Workspace, sink: Sink, dispatch: Dispatch, until: Until
) -> None:
    await workspace.subscribe(sink.behave("/hook", in_turn(answering(500), answering(500), answering(200))))
    await dispatch()
    for number in range(1, 4):
        await workspace.emit()
        await sink.wait_for(number)

    async def healthy() -> bool:
        async with workspace.database.connection() as connection:
            row = await connection.fetchrow("SELECT failures, failing_since FROM webhook_health")
        return row is not None and tuple(row) == (0, None)

    await until(healthy)
