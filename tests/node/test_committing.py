"""Steps of many calls in few transactions: each counts once, and none waits for another's trouble."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from calls.scenery import Scene
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.steps import Answering, Closing, Ending, Step, Taken
from sautikitd.clock import SystemClock
from sautikitd.database.pool import Connection
from sautikitd.database.wake import Waker
from sautikitd.events.log import EventLog
from sautikitd.ids import uuid7
from sautikitd.node.committing import Committer


class Watched(CallLifecycle):
    """Notes what is committed together; refuses whatever has a step of `poisoned`."""

    batches: list[list[UUID]]
    poisoned: UUID | None = None

    async def take(
        self, connection: Connection, steps: Sequence[Step], *, wait: bool = True
    ) -> tuple[list[Taken], int]:
        self.batches.append([step.call_id for step in steps])
        taken = await super().take(connection, steps, wait=wait)
        if self.poisoned in self.batches[-1]:
            raise RuntimeError("nobody foresaw this")
        return taken


def committer(scene: Scene) -> tuple[Committer, Watched]:
    lifecycle = Watched(scene.platform.wallets, EventLog())
    lifecycle.batches = []
    database = scene.platform.database
    return Committer(database, lifecycle, SystemClock(), Waker(database)), lifecycle


async def ringing(scene: Scene, count: int) -> list[CallRecord]:
    await scene.limit(calls_per_second=9999.0, tokens=9999.0, max_concurrent_calls=1000)
    calls = [await scene.place() for _ in range(count)]
    for _ in calls:
        await scene.claim()
    return calls


def answering(scene: Scene, call: CallRecord) -> Answering:
    return Answering(call_id=call.id, at=scene.now, dialog={"dialog": {}})


def closing(scene: Scene, call: CallRecord, after_s: float = 30) -> Closing:
    at = scene.now + timedelta(seconds=after_s)
    ending = Ending(cause=HangupCause.NORMAL_CLEARING, by=HangupBy.CALLEE, at=at)
    return Closing(call_id=call.id, ending=ending)


async def taken(commits: Committer, step: Step) -> CallRecord | None:
    return (await commits.commit(step)).call


async def test_a_rush_of_steps_takes_few_transactions_and_each_counts_once(scene: Scene) -> None:
    calls = await ringing(scene, 20)
    before, _ = await scene.balance()
    commits, watched = committer(scene)
    answered = await asyncio.gather(*(taken(commits, answering(scene, call)) for call in calls))
    ended = await asyncio.gather(*(taken(commits, closing(scene, call)) for call in calls))
    assert {call.status for call in answered if call} == {"answered"}
    assert [(call.status, call.cost_minor) for call in ended if call] == [("completed", 150)] * 20
    assert len(watched.batches) <= 6
    assert await scene.balance() == (before - 20 * 150, 0)
    for call in calls:
        assert await scene.events(call.id) == ["call.started", "call.answered", "call.completed"]


async def test_steps_of_one_call_are_taken_one_after_the_other(scene: Scene) -> None:
    (call,) = await ringing(scene, 1)
    commits, watched = committer(scene)
    steps = (answering(scene, call), closing(scene, call), closing(scene, call, after_s=40))
    _, first, second = await asyncio.gather(*(taken(commits, step) for step in steps))
    assert first is not None
    assert second is not None
    assert (first.billed_seconds, second.billed_seconds) == (30, 30)  # the second found it ended
    assert watched.batches == [[call.id]] * 3
    assert await scene.events(call.id) == ["call.started", "call.answered", "call.completed"]


async def test_a_step_that_cannot_be_taken_spoils_none_of_the_others(scene: Scene) -> None:
    calls = await ringing(scene, 5)
    commits, watched = committer(scene)
    watched.poisoned = calls[2].id
    outcomes = await asyncio.gather(
        *(taken(commits, answering(scene, call)) for call in calls), return_exceptions=True
    )
    assert isinstance(outcomes[2], RuntimeError)
    statuses = [(await scene.call(call.id)).status for call in calls]
    assert statuses == ["answered", "answered", "ringing", "answered", "answered"]


async def test_a_call_that_does_not_exist_is_none(scene: Scene) -> None:
    commits, _ = committer(scene)
    assert await taken(commits, Answering(call_id=uuid7(), at=scene.now, dialog=None)) is None


async def test_a_call_that_somebody_holds_keeps_no_other_waiting(scene: Scene) -> None:
    stuck, free = await ringing(scene, 2)
    commits, _ = committer(scene)
    async with scene.platform.database.transaction() as connection:
        await connection.execute("SELECT FROM calls WHERE id = $1 FOR UPDATE", stuck.id)
        waiting = asyncio.ensure_future(taken(commits, answering(scene, stuck)))
        answered = await taken(commits, answering(scene, free))
        assert answered is not None
        assert answered.status == "answered"
        assert not waiting.done()
    found = await waiting
    assert found is not None
    assert found.status == "answered"


async def test_a_commit_that_was_unsure_is_repeated_and_changes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (call,) = await ringing(scene, 1)
    before, _ = await scene.balance()
    commits, _ = committer(scene)
    await taken(commits, answering(scene, call))
    real, lost = scene.platform.database.transaction, [True]

    def losing() -> Any:
        """The first transaction commits, and its confirmation is lost."""

        class Unsure:
            async def __aenter__(self) -> Connection:
                self._real = real()
                return await self._real.__aenter__()

            async def __aexit__(self, *exc: Any) -> None:
                await self._real.__aexit__(*exc)
                if lost:
                    lost.clear()
                    raise ConnectionResetError

        return Unsure()

    monkeypatch.setattr(scene.platform.database, "transaction", losing)
    ended = await taken(commits, closing(scene, call))
    assert ended is not None
    assert (ended.status, ended.cost_minor) == ("completed", 150)
    assert await scene.balance() == (before - 150, 0)
