"""Background work of the webhooks room."""

from datetime import datetime

from sautikitd.database.pool import Database
from sautikitd.ids import first_uuid7_of
from sautikitd.webhooks.models import LOG_KEPT

_AT_ONCE = 5_000


async def purge_delivery_log(database: Database, now: datetime) -> int:
    """Removes deliveries that ended, and attempts, older than 30 days; returns how many attempts. Run it daily.

    With them goes what serves nothing any more: secrets whose overlap is over or whose webhook was deleted, and the
    health of URLs that are no subscription and have not been heard of for as long. Events stay.
    """
    bound = first_uuid7_of(now - LOG_KEPT)
    removed = 0
    for statement in (_PURGE_ATTEMPTS, _PURGE_DELIVERIES, _PURGE_SECRETS, _PURGE_HEALTH):
        found = _AT_ONCE
        while found == _AT_ONCE:
            async with database.transaction() as connection:
                found = await connection.fetchval(statement, now, LOG_KEPT, _AT_ONCE, bound)
            removed += found if statement is _PURGE_ATTEMPTS else 0
    return removed


# Ids tell when a delivery was made ($4), so that the old ones stand first in the primary keys: these two need no
# index on a time, which every delivery would pay for.
_PURGE_ATTEMPTS = """
WITH old AS (
    DELETE FROM webhook_attempts WHERE (delivery_id, attempt) IN (
        SELECT delivery_id, attempt FROM webhook_attempts
        WHERE delivery_id < $4 AND started_at < $1::timestamptz - $2::interval ORDER BY delivery_id LIMIT $3)
    RETURNING attempt
)
SELECT count(*) FROM old
"""

_PURGE_DELIVERIES = """
WITH old AS (
    DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
        SELECT id FROM webhook_deliveries
        WHERE id < $4 AND finished_at < $1::timestamptz - $2::interval ORDER BY id LIMIT $3))
    RETURNING id
)
SELECT count(*) FROM old
"""

_PURGE_SECRETS = """
WITH old AS (
    DELETE FROM webhook_secrets WHERE id = ANY (ARRAY(
        SELECT s.id FROM webhook_secrets s JOIN webhooks w ON w.id = s.webhook_id
        WHERE s.valid_until < $1 OR w.deleted_at < $1::timestamptz - $2::interval LIMIT $3))
    RETURNING id
)
SELECT count(*) FROM old WHERE $4::uuid IS NOT NULL
"""

_PURGE_HEALTH = """
WITH old AS (
    DELETE FROM webhook_health WHERE endpoint_id = ANY (ARRAY(
        SELECT endpoint_id FROM webhook_health
        WHERE webhook_id IS NULL AND (disabled_until IS NULL OR disabled_until < $1)
          AND (failing_since IS NULL OR failing_since < $1::timestamptz - $2::interval) LIMIT $3))
    RETURNING endpoint_id
)
SELECT count(*) FROM old WHERE $4::uuid IS NOT NULL
"""
