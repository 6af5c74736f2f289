"""The clock of a workspace's test mode: the real one plus what it has been moved. It only goes forward (contract §9)."""

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.errors import Refusal
from sautikitd.timestamps import rfc3339

LONGEST_MOVE = timedelta(days=400)
FARTHEST = timedelta(days=1827)
"""How far ahead of the real clock it can be in all: five years."""


class TestClockDenied(Refusal):
    code = "test_clock.test_mode_only"
    status = 403
    message = "Only the clock of test mode can be moved: use a key that starts with tsk_test_."


class TestClockTooFar(Refusal):
    code = "test_clock.too_far"
    status = 409
    message = (
        "The clock would be more than five years ahead of the real one, the farthest it goes. "
        "Make a new workspace to start over."
    )


class TestClockBackwards(Refusal):
    code = "test_clock.only_forward"
    status = 409
    message = "It is {now} there already: the clock only goes forward, at most 400 days at a time."


class TestClockShown(msgspec.Struct, kw_only=True):
    """`now` is the time in test mode; `ahead_seconds` how far that is from the real time."""

    now: str
    ahead_seconds: int


class TimePasses(Protocol):
    async def pass_days(
        self, connection: Connection, workspace_id: UUID, before: datetime, now: datetime
    ) -> None:
        """Does what the time between would have brought about, in the connection's transaction."""
        ...


class TestClocks:
    def __init__(self, clock: Clock, *followers: TimePasses) -> None:
        self._clock = clock
        self._followers = followers

    async def read(self, connection: Connection, workspace_id: UUID) -> TestClockShown:
        ahead: int | None = await connection.fetchval(_READ, workspace_id)
        return self._shown(ahead or 0)

    async def move(
        self,
        connection: Connection,
        workspace_id: UUID,
        *,
        advance_seconds: int | None = None,
        to: datetime | None = None,
    ) -> TestClockShown:
        """Moves the clock and lives through the days between. Raises `TestClockBackwards` and `TestClockTooFar`."""
        real = self._clock.now()
        ahead: int = await connection.fetchval(_LOCK, workspace_id)
        before = real + timedelta(seconds=ahead)
        seconds = advance_seconds or (int((to - before).total_seconds()) if to else 0)
        if not 0 <= seconds <= LONGEST_MOVE.total_seconds():
            raise TestClockBackwards(now=rfc3339(before))
        if ahead + seconds > FARTHEST.total_seconds():
            raise TestClockTooFar
        await connection.execute(_MOVE, workspace_id, ahead + seconds)
        for follower in self._followers:
            await follower.pass_days(connection, workspace_id, before, before + timedelta(seconds=seconds))
        return self._shown(ahead + seconds)

    def _shown(self, ahead_seconds: int) -> TestClockShown:
        now = self._clock.now() + timedelta(seconds=ahead_seconds)
        return TestClockShown(now=rfc3339(now), ahead_seconds=ahead_seconds)


_READ = "SELECT ahead_seconds FROM test_clocks WHERE workspace_id = $1"

# The row is made, and locked, before anything is decided on it.
_LOCK = """
INSERT INTO test_clocks (workspace_id) VALUES ($1)
ON CONFLICT (workspace_id) DO UPDATE SET workspace_id = excluded.workspace_id RETURNING ahead_seconds
"""

_MOVE = "UPDATE test_clocks SET ahead_seconds = $2 WHERE workspace_id = $1"
