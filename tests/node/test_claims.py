"""A call that cannot be claimed ends alone; the node goes on claiming."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from calls.scenery import PREPARED, Scene
from sautikitd.calls.claiming import Claimed
from sautikitd.calls.models import CallRecord
from sautikitd.clock import SystemClock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.node.claims import Claiming


class Desk:
    """Takes the claimed calls; `poisoned` cannot be prepared."""

    def __init__(self) -> None:
        self.poisoned: UUID | None = None
        self.started: asyncio.Queue[Claimed] = asyncio.Queue()

    async def current(self) -> None:
        """No trunk changes here."""

    def prepare(self, call: CallRecord) -> dict[str, Any]:
        if call.id == self.poisoned:
            raise RuntimeError("nobody foresaw this")
        return PREPARED


@asynccontextmanager
async def claiming(scene: Scene, desk: Desk) -> AsyncIterator[None]:
    await scene.limit(calls_per_second=9999.0, tokens=9999.0, max_concurrent_calls=1000)
    loop = Claiming(
        scene.node_id,
        database=scene.platform.database,
        lifecycle=scene.lifecycle,
        clock=SystemClock(),
        waker=Waker(scene.platform.database),
        current=desk.current,
        prepare=desk.prepare,
        room=lambda: 100,
        start=desk.started.put_nowait,
    )
    running = asyncio.create_task(loop.run())
    yield
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_calls_that_wait_together_are_claimed_together(scene: Scene) -> None:
    desk = Desk()
    placed = [(await scene.place()).id for _ in range(10)]
    async with claiming(scene, desk):
        started = [(await asyncio.wait_for(desk.started.get(), 20)).call.id for _ in placed]
    assert sorted(started) == sorted(placed)
    assert len({(await scene.call(call_id)).started_at for call_id in placed}) == 1
    for call_id in placed:
        assert await scene.events(call_id) == ["call.started"]


async def test_a_call_that_cannot_be_prepared_fails_alone_and_the_others_start(scene: Scene) -> None:
    desk = Desk()
    placed = [await scene.place() for _ in range(4)]
    desk.poisoned = placed[1].id
    async with claiming(scene, desk):
        started = {(await asyncio.wait_for(desk.started.get(), 20)).call.id for _ in range(3)}
    failed = await scene.call(placed[1].id)
    assert started == {placed[0].id, placed[2].id, placed[3].id}
    assert (failed.status, failed.failure_code, failed.hangup_by) == ("failed", "internal_error", "platform")
    assert await scene.events(failed.id) == ["call.failed"]
    assert (await scene.balance())[1] == 3 * 300  # nothing is held for it


async def test_a_call_that_can_neither_start_nor_fail_is_passed_over(scene: Scene, owner_url: str) -> None:
    desk = Desk()
    bad, good = await scene.place(), await scene.place()
    desk.poisoned = bad.id
    owner = await Database.connect(owner_url)
    async with owner.connection() as connection:  # whatever ends the call meets this
        await connection.execute("ALTER TABLE calls ADD CHECK (status <> 'failed')")
    await owner.close()
    async with claiming(scene, desk):
        started = await asyncio.wait_for(desk.started.get(), 20)
        later = await scene.place()
        assert (await asyncio.wait_for(desk.started.get(), 20)).call.id == later.id
    assert started.call.id == good.id
    assert (await scene.call(bad.id)).status == "queued"
