"""Commits the steps of the node's calls, as many in one transaction as have come in meanwhile."""

import asyncio
from collections.abc import Sequence

import structlog

from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.steps import Step, Taken
from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.events.log import CHANNEL
from sautikitd.node.persisting import persist

log = structlog.get_logger(__name__)

LARGEST_BATCH = 50
GATHER_S = 0.008
"""Least time between the starts of two transactions: a step after a pause goes at once, those of a rush together."""

_SLOW_S = 0.15
"""A transaction that takes longer, since somebody holds a wallet of its calls, does not keep the next one waiting."""

_AT_ONCE = 3
"""Transactions under way at most, and as many of single steps that wait for a call somebody else is at: the node has
few connections, and its lease needs one too."""

Waiting = tuple[Step, "asyncio.Future[Taken]"]


class Committer:
    """`commit` waits for the database as long as it takes. A step may be committed twice, and counts once."""

    def __init__(self, database: Database, lifecycle: CallLifecycle, clock: Clock, waker: Waker) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._clock = clock
        self._waker = waker
        self._waiting: list[Waiting] = []
        self._gathering: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def commit(self, step: Step) -> Taken:
        """The call after the step, or as it was found where it is past it. Raises what only this step raises.

        A step whose commit was never confirmed may be told as one that changed nothing, though it did."""
        outcome: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, outcome))
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._gather())
        return await outcome

    async def _gather(self) -> None:
        while self._waiting:
            task = asyncio.create_task(self._write(self._next_batch()))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
            pause = asyncio.create_task(asyncio.sleep(GATHER_S))
            await asyncio.wait({task}, timeout=_SLOW_S)
            await pause
            while len(self._writing) >= _AT_ONCE:
                await asyncio.wait(self._writing, return_when=asyncio.FIRST_COMPLETED)
        self._gathering = None

    def _next_batch(self) -> Sequence[Waiting]:
        """Of one call one step, the oldest."""
        batch: dict[object, Waiting] = {}
        left = []
        for waiting in self._waiting:
            if waiting[0].call_id in batch or len(batch) == LARGEST_BATCH:
                left.append(waiting)
            else:
                batch[waiting[0].call_id] = waiting
        self._waiting = left
        return list(batch.values())

    async def _write(self, batch: Sequence[Waiting], *, wait: bool = False) -> None:
        """One that the database refuses, or that cannot be taken, spoils none of the others; and without `wait` nor
        does a call that somebody else is at."""
        try:
            taken = await self._insist([step for step, _ in batch], wait=wait)
        except Exception as fault:
            log.exception("node.steps_refused", calls=[str(step.call_id) for step, _ in batch])
            if len(batch) > 1:
                for one in batch:
                    await self._write([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(fault)
            return
        for waiting, one_taken in zip(batch, taken, strict=True):
            if one_taken.call is None and not wait:  # somebody has it locked, or it does not exist
                task = asyncio.create_task(self._write_alone(waiting))
                self._beside.add(task)
                task.add_done_callback(self._beside.discard)
            elif not waiting[1].done():  # else whoever waited was cancelled
                waiting[1].set_result(one_taken)

    async def _write_alone(self, waiting: Waiting) -> None:
        async with self._turn:
            await self._write([waiting], wait=True)

    async def _insist(self, steps: Sequence[Step], *, wait: bool) -> Sequence[Taken]:
        taken, deliveries = await persist(
            self._database,
            self._clock,
            lambda connection: self._lifecycle.take(connection, steps, wait=wait),
        )
        if deliveries:
            await self._waker.wake(CHANNEL)
        return taken
