"""What it means here that a test clock was moved.

The dispatcher goes by the real clock, for all workspaces together. So the time that has passed in one is taken off what
waits there: retries, the days of an endpoint's failures, a URL's rest, the overlap of a rotated secret.
"""

from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection


class MovedClock:
    async def pass_days(
        self, connection: Connection, workspace_id: UUID, before: datetime, now: datetime
    ) -> None:
        for statement in (_DELIVERIES, _HEALTH, _SECRETS):
            await connection.execute(statement, workspace_id, now - before)


_DELIVERIES = """
UPDATE webhook_deliveries SET due_at = due_at - $2::interval WHERE id = ANY (ARRAY(
    SELECT id FROM webhook_deliveries
    WHERE workspace_id = $1 AND mode = 'test' AND status = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED))
"""

# In the order in which the dispatcher's own statement locks them.
_HEALTH = """
UPDATE webhook_health SET failing_since = failing_since - $2::interval, disabled_until = disabled_until - $2::interval
WHERE endpoint_id = ANY (ARRAY(
    SELECT endpoint_id FROM webhook_health WHERE workspace_id = $1 AND mode = 'test' ORDER BY endpoint_id FOR UPDATE))
"""

_SECRETS = """
UPDATE webhook_secrets s SET valid_until = s.valid_until - $2::interval
FROM webhooks w WHERE w.id = s.webhook_id AND w.workspace_id = $1 AND w.mode = 'test' AND s.valid_until IS NOT NULL
"""
