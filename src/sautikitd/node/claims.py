"""The claiming side of a voice node: calls out of the queue, until there is no room or nothing waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import structlog

from sautikitd.calls import claiming, queue
from sautikitd.calls.claiming import Claimed, ClaimFailed, Claims, Prepare
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.database.wake import Waker
from sautikitd.events.log import CHANNEL

log = structlog.get_logger(__name__)

POLL_S = 0.25
GATHER_S = 0.01
"""Least time between the starts of two claims: the first call of a rush goes at once, those behind it together."""

LARGEST_CLAIM = 25
_MOST_SET_ASIDE = 1000


class Claiming:
    """`room` says how many more legs the node can take, `start` runs a claimed call, `current` returns when the node
    knows of every change of the trunks that it was told of.

    A call whose claim or start goes wrong in a way nobody foresaw ends as `failed`, and the others go on.
    """

    def __init__(
        self,
        node_id: UUID,
        *,
        database: Database,
        lifecycle: CallLifecycle,
        clock: Clock,
        waker: Waker,
        current: Callable[[], Awaitable[None]],
        prepare: Prepare,
        room: Callable[[], int],
        start: Callable[[Claimed], None],
    ) -> None:
        self._node_id = node_id
        self._database = database
        self._lifecycle = lifecycle
        self._clock = clock
        self._waker = waker
        self._current = current
        self._prepare = prepare
        self._room = room
        self._start = start
        self._woken = asyncio.Event()
        self._most = LARGEST_CLAIM
        self._set_aside: dict[UUID, None] = {}
        """Calls that could not even be failed: passed over, so that those behind them get their turns."""

    def look(self) -> None:
        """A call was queued, or a slot is free."""
        self._woken.set()

    async def run(self) -> None:
        """Claims until cancelled."""
        while True:
            pause = asyncio.create_task(asyncio.sleep(GATHER_S))
            more = await self._attempt()
            await pause
            if not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
                self._woken.clear()

    async def _attempt(self) -> bool:
        """Claims and starts what it can; whether there may be more."""
        try:
            return await self._claim()
        except DatabaseUnavailable as exc:
            log.warning("node.claims_wait", error=repr(exc))
        except ClaimFailed as failed:
            log.exception("node.claim_failed", call_id=str(failed.call_id))
            await self._give_up(failed.call_id)
            return True
        except Exception:
            log.exception("node.claims_failed")
            self._most = 1  # so that the one to blame is found
        return False

    async def _claim(self) -> bool:
        room = self._room()
        if room < 1:
            return False
        await self._current()
        async with self._database.connection() as connection:
            if not await queue.anything_waits(connection):
                return False
            async with connection.transaction():
                claims: Claims = await claiming.claim(
                    connection,
                    self._lifecycle,
                    node_id=self._node_id,
                    room=room,
                    now=self._clock.now(),
                    prepare=self._prepare,
                    most=self._most,
                    without=list(self._set_aside),
                )
        self._most = LARGEST_CLAIM
        if claims.deliveries:
            await self._waker.wake(CHANNEL)
        for claimed in claims.calls:
            if claimed.legs:
                self._start(claimed)
        return bool(claims.calls)

    async def _give_up(self, call_id: UUID) -> None:
        """Fails a call that cannot be claimed; where that is impossible too, it is left to expire in the queue."""
        try:
            async with self._database.transaction() as connection:
                await queue.fail(
                    connection, self._lifecycle, call_id, HangupCause.INTERNAL_ERROR, self._clock.now()
                )
            await self._waker.wake(CHANNEL)
        except DatabaseUnavailable as exc:
            log.warning("node.claims_wait", error=repr(exc))
        except Exception:
            log.exception("node.call_set_aside", call_id=str(call_id))
            while len(self._set_aside) >= _MOST_SET_ASIDE:
                del self._set_aside[next(iter(self._set_aside))]
            self._set_aside[call_id] = None
