"""Background work of the webhooks room."""

from datetime import datetime, timedelta

from sautikitd.database.pool import Database

LOG_KEPT = timedelta(days=30)
_AT_ONCE = 5_000


async def purge_delivery_log(database: Database, now: datetime) -> int:
    """Removes attempts older than 30 days; returns how many. Deliveries and events stay. Run it daily."""
    removed = 0
    while True:
        async with database.connection() as connection:
            rows = await connection.fetch(_PURGE, now - LOG_KEPT, _AT_ONCE)
        removed += len(rows)
        if len(rows) < _AT_ONCE:
            return removed


_PURGE = """
DELETE FROM webhook_attempts WHERE (delivery_id, attempt) IN (
    SELECT delivery_id, attempt FROM webhook_attempts WHERE started_at < $1 ORDER BY started_at LIMIT $2)
RETURNING attempt
"""
