"""Switching off endpoints that are gone or have failed for days (contract §6)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from sautikitd.database.pool import Connection, Database
from sautikitd.events.kinds import EventKind
from sautikitd.events.log import EventLog
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.timestamps import shown
from sautikitd.webhooks.models import DisableReason, FailingEndpoint

URL_RESTS = timedelta(hours=24)
"""How long a URL that is no subscription gets nothing, unless it is set anew before."""

log = structlog.get_logger()


class DisabledNotice(Protocol):
    """Tells the workspace's owner by mail. Called in the transaction of the change: write a row, send later."""

    async def __call__(
        self, connection: Connection, endpoint: FailingEndpoint, reason: DisableReason
    ) -> None: ...


class Disabling:
    def __init__(self, database: Database, events: EventLog, notice: DisabledNotice | None = None) -> None:
        self._database = database
        self._events = events
        self._notice = notice

    async def disable(self, endpoint: FailingEndpoint, reason: DisableReason, now: datetime) -> bool:
        """Switches the endpoint off, discards what waits for it and reports it, once; False if it was off.

        The events stay, and `replay` sends them when the endpoint works again.
        """
        async with self._database.transaction() as connection:
            if not await self._switch_off(connection, endpoint, reason, now):
                return False
            await discard_waiting(connection, [endpoint.endpoint_id], now, "the endpoint was disabled")
            ahead = await connection.fetchval(_AHEAD, endpoint.workspace_id, endpoint.mode)
            event = _event(endpoint, reason, now + timedelta(seconds=ahead or 0))
            await self._events.record(connection, event)
            if self._notice is not None:
                await self._notice(connection, endpoint, reason)
        log.info("webhook disabled", endpoint=str(endpoint.endpoint_id), reason=reason.value)
        return True

    @staticmethod
    async def _switch_off(
        connection: Connection, endpoint: FailingEndpoint, reason: DisableReason, now: datetime
    ) -> bool:
        if endpoint.webhook_id is not None:
            return bool(await connection.fetchval(_DISABLE, endpoint.webhook_id, now, reason.value))
        return bool(
            await connection.fetchval(
                _REST,
                endpoint.endpoint_id,
                endpoint.workspace_id,
                endpoint.mode,
                endpoint.url,
                now,
                now + URL_RESTS,
            )
        )


async def discard_waiting(
    connection: Connection, endpoint_ids: Sequence[UUID], now: datetime, reason: str
) -> None:
    """Ends all deliveries that wait for these endpoints; those under way end with their own outcome."""
    await connection.execute(_DISCARD, list(endpoint_ids), now, reason)


def _event(endpoint: FailingEndpoint, reason: DisableReason, now: datetime) -> Event:
    return Event(
        id=uuid7(),
        workspace_id=endpoint.workspace_id,
        mode=endpoint.mode,
        kind=EventKind.WEBHOOK_DISABLED,
        data={
            "webhook_id": str(endpoint.webhook_id) if endpoint.webhook_id else None,
            "url": endpoint.url,
            "reason": reason.value,
            "failing_since": shown(endpoint.failing_since),
            "failures": endpoint.failures,
        },
        occurred_at=now,
    )


_DISABLE = """
UPDATE webhooks SET enabled = false, disabled_at = $2, disabled_reason = $3, updated_at = $2
WHERE id = $1 AND enabled AND deleted_at IS NULL RETURNING true
"""

# How far the clock of the workspace was moved: its events are dated by that.
_AHEAD = "SELECT ahead_seconds FROM test_clocks WHERE workspace_id = $1 AND $2 = 'test'"

# Its count starts anew, so that after its rest a URL has five days again.
_REST = """
INSERT INTO webhook_health AS h (endpoint_id, workspace_id, mode, url, disabled_until) VALUES ($1, $2, $3, $4, $6)
ON CONFLICT (endpoint_id) DO UPDATE SET disabled_until = $6, failures = 0, failing_since = NULL
WHERE h.disabled_until IS NULL OR h.disabled_until <= $5
RETURNING true
"""

# In the order of their ids, as every statement that locks several deliveries.
_DISCARD = """
UPDATE webhook_deliveries SET status = 'discarded', finished_at = $2, error = $3
WHERE id = ANY (ARRAY(
    SELECT id FROM webhook_deliveries
    WHERE status = 'pending' AND ready IN (true, false) AND endpoint_id = ANY ($1) ORDER BY id FOR UPDATE))
"""
