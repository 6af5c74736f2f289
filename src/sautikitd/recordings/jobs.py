"""What the worker does for recordings, every minute: expire, remove, give up."""

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.recordings.retention import Retention


async def tidy_recordings(database: Database, retention: Retention, clock: Clock) -> None:
    """One round, until nothing is due. Several at once are harmless."""
    while True:
        async with database.transaction() as connection:
            expired = await retention.expire(connection, clock.now())
        if not expired:
            break
    while await retention.purge():
        pass
    await retention.give_up_lost()
