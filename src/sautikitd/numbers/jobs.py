"""Background work of the numbers room."""

from datetime import datetime

from sautikitd.database.pool import Connection
from sautikitd.numbers import inventory_repository


async def return_from_quarantine(connection: Connection, now: datetime) -> int:
    """Makes rested numbers available again; returns how many. Harmless to run twice, or in several processes."""
    return await inventory_repository.end_quarantine(connection, now)
