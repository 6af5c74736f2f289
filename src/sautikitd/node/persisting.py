"""A transaction that is committed however long the database is away."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable

log = structlog.get_logger(__name__)
T = TypeVar("T")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0


async def persist(database: Database, clock: Clock, step: Callable[[Connection], Awaitable[T]]) -> T:
    """Commits a step, waiting for the database; it may be committed twice, so the second time must change nothing."""
    pause = _FIRST_PAUSE_S
    while True:
        try:
            async with database.transaction() as connection:
                return await step(connection)
        except DatabaseUnavailable as exc:
            log.warning("node.database_away", error=repr(exc))
        await clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)
