"""The node's transactions: each step of a call committed, and committed again if nobody knows whether it was."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog

from sautikitd.calls.last_reports import CLAIM
from sautikitd.calls.lifecycle import CallLifecycle, Covered
from sautikitd.calls.models import CallRecord
from sautikitd.calls.steps import Alerting, Answering, Closing, Ending
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.database.wake import Waker
from sautikitd.events.log import CHANNEL
from sautikitd.node.committing import Committer
from sautikitd.node.departures import Departing, Departures
from sautikitd.node.persisting import persist

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Books:
    """Every method but `extend` waits for the database as long as it takes; a step committed twice counts once."""

    def __init__(
        self,
        node_id: UUID,
        database: Database,
        lifecycle: CallLifecycle,
        clock: Clock,
        waker: Waker,
    ) -> None:
        self.departures = Departures(node_id, database)
        self._database = database
        self._lifecycle = lifecycle
        self._clock = clock
        self._waker = waker
        self._committer = Committer(database, lifecycle, clock, waker)

    async def alerting(self, call_id: UUID, at: datetime) -> None:
        await self._committer.commit(Alerting(call_id=call_id, at=at))

    async def answered(self, call_id: UUID, at: datetime, dialog: dict[str, Any] | None) -> CallRecord | None:
        """The call after the answer was committed; one that is terminal was ended meanwhile."""
        return (await self._committer.commit(Answering(call_id=call_id, at=at, dialog=dialog))).call

    async def ended(
        self, call_id: UUID, ending: Ending, *, leg: Departing | None = None
    ) -> CallRecord | None:
        """`leg` is the call's, whose BYE or CANCEL may not have been answered yet."""
        unfinished = leg.unfinished if leg is not None else None
        step = Closing(call_id=call_id, ending=ending, unfinished=unfinished)
        taken = await self._committer.commit(step)
        self._see_out(call_id, leg, unfinished)
        return taken.call

    async def ended_to_report(
        self, call_id: UUID, ending: Ending, *, leg: Departing | None = None
    ) -> CallRecord | None:
        """The same for who tells the voice callback of it: the call, where that is now his to do; None where somebody
        else has ended it, or is about to tell."""
        until = self._clock.now() + CLAIM
        unfinished = leg.unfinished if leg is not None else None
        step = Closing(call_id=call_id, ending=ending, unfinished=unfinished, reported_until=until)
        taken = await self._committer.commit(step)
        self._see_out(call_id, leg, unfinished)
        in_time = self._clock.now() < until - CLAIM / 2  # not so after an outage of the database
        return taken.call if taken.changed and in_time else None

    def _see_out(self, call_id: UUID, leg: Departing | None, stored: dict[str, Any] | None) -> None:
        if leg is not None and stored is not None:
            self.departures.watch(call_id, leg, stored)

    async def identified(self, call_id: UUID, answered_by: str, at: datetime) -> None:
        await self.persist(lambda connection: self._lifecycle.identify(connection, call_id, answered_by, at))

    async def won(self, parent_id: UUID, leg_id: UUID, at: datetime, dialog: dict[str, Any]) -> bool:
        """Whether this leg's answer was the first of its group to be committed."""
        return await self.persist(
            lambda connection: self._lifecycle.win(connection, parent_id, leg_id, at, dialog)
        )

    async def extend(self, call_id: UUID, wanted_seconds: int) -> Covered | None:
        """What the hold covers now; None when the database did not say."""
        try:
            async with self._database.transaction() as connection:
                return await self._lifecycle.extend_hold(connection, call_id, wanted_seconds)
        except DatabaseUnavailable as exc:
            log.warning("node.hold_not_extended", call_id=str(call_id), error=repr(exc))
            return None

    async def persist(self, step: Callable[[Connection], Awaitable[T]]) -> T:
        """Commits a step, waiting for the database; it may be committed twice, so the second time must change nothing."""
        outcome = await persist(self._database, self._clock, step)
        await self._waker.wake(CHANNEL)
        return outcome
