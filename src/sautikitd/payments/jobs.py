"""Background work on payments that runs by the calendar; `worker.py` has what runs all the time."""

from datetime import datetime

from sautikitd.database.pool import Database
from sautikitd.payments import inbox_repository


async def forget_old_callbacks(database: Database, now: datetime) -> int:
    """Removes raw callbacks after 90 days: they hold people's numbers and names. Returns how many. Run it daily."""
    removed = 0
    while found := await inbox_repository.forget_batch(database, now):
        removed += found
    return removed
