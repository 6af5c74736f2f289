"""SQL of subscriptions and their deliveries, for the API. Everything is within one workspace and mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Event, Mode
from sautikitd.webhooks.models import DeliveryStatus

REPLAY_LIMIT = 10_000
"""Events a replay queues at most."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose subscriptions: `number_ids` are those a restricted key may use, None means all."""

    workspace_id: UUID
    mode: Mode
    number_ids: frozenset[UUID] | None = None

    @property
    def key(self) -> tuple[UUID, Mode, list[UUID] | None]:
        return self.workspace_id, self.mode, None if self.number_ids is None else list(self.number_ids)


async def insert_webhook(
    connection: Connection,
    webhook_id: UUID,
    place: Place,
    *,
    url: str,
    description: str,
    events: Sequence[str],
    number_ids: Sequence[UUID] | None,
    enabled: bool,
    now: datetime,
) -> None:
    await connection.execute(
        _INSERT,
        webhook_id,
        place.workspace_id,
        place.mode,
        url,
        description,
        events,
        number_ids,
        enabled,
        now,
    )


async def find_webhook(
    connection: Connection, place: Place, webhook_id: UUID, *, lock: bool = False
) -> Record | None:
    statement = f"{_WEBHOOK} AND w.id = $4" + (" FOR UPDATE OF w" if lock else "")
    row: Record | None = await connection.fetchrow(statement, *place.key, webhook_id)
    return row


async def count_webhooks(connection: Connection, place: Place) -> int:
    """How many there are; nobody else adds one before the caller's transaction ends."""
    await connection.execute("SELECT FROM workspaces WHERE id = $1 FOR NO KEY UPDATE", place.workspace_id)
    count: int = await connection.fetchval(_COUNT, place.workspace_id, place.mode)
    return count


async def list_webhooks(
    connection: Connection, place: Place, before: UUID | None, limit: int
) -> list[Record]:
    statement = f"{_WEBHOOK} AND ($4::uuid IS NULL OR w.id < $4) ORDER BY w.id DESC LIMIT $5"
    rows: list[Record] = await connection.fetch(statement, *place.key, before, limit)
    return rows


async def update_webhook(
    connection: Connection,
    webhook_id: UUID,
    *,
    url: str,
    description: str,
    events: Sequence[str],
    number_ids: Sequence[UUID] | None,
    enabled: bool,
    now: datetime,
) -> None:
    """`enabled` false is the user's wish; a webhook disabled before keeps its reason."""
    await connection.execute(_UPDATE, webhook_id, url, description, events, number_ids, enabled, now)


async def delete_webhook(connection: Connection, webhook_id: UUID, now: datetime) -> None:
    await connection.execute(
        "UPDATE webhooks SET deleted_at = $2, updated_at = $2 WHERE id = $1", webhook_id, now
    )


async def forget_failures(connection: Connection, endpoint_id: UUID) -> None:
    await connection.execute("DELETE FROM webhook_health WHERE endpoint_id = $1", endpoint_id)


async def forget_failures_of_url(connection: Connection, workspace_id: UUID, mode: Mode, url: str) -> None:
    await connection.execute(_FORGET_URL, workspace_id, mode, url)


async def list_deliveries(
    connection: Connection,
    webhook_id: UUID,
    *,
    before: UUID | None,
    limit: int,
    status: DeliveryStatus | None = None,
    kinds: Sequence[str] | None = None,
    event_id: UUID | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> list[Record]:
    window = (created_after, created_before)
    rows: list[Record] = await connection.fetch(
        _DELIVERIES, webhook_id, before, status, kinds, event_id, *window, limit
    )
    return rows


async def deliveries_of_event(
    connection: Connection, event_id: UUID, before: UUID | None, limit: int
) -> list[Record]:
    """Of URLs that are no subscription too, the newest first."""
    rows: list[Record] = await connection.fetch(_OF_EVENT, event_id, before, limit)
    return rows


async def find_delivery(connection: Connection, webhook_id: UUID, delivery_id: UUID) -> Record | None:
    row: Record | None = await connection.fetchrow(_DELIVERY, webhook_id, delivery_id)
    return row


async def attempts_of(connection: Connection, delivery_ids: Sequence[UUID]) -> dict[UUID, list[Record]]:
    """The delivery log of each, oldest attempt first."""
    found: dict[UUID, list[Record]] = {delivery_id: [] for delivery_id in delivery_ids}
    for row in await connection.fetch(_ATTEMPTS, list(delivery_ids)):
        found[row["delivery_id"]].append(row)
    return found


async def insert_delivery(
    connection: Connection, webhook_id: UUID, event_id: UUID, cause: str, now: datetime
) -> UUID:
    """A new delivery of a stored event to one subscription, at the URL it has now."""
    delivery_id: UUID = await connection.fetchval(_DELIVER_ONE, webhook_id, event_id, cause, now)
    return delivery_id


async def insert_event(connection: Connection, event: Event) -> None:
    """An event for one subscription alone; all others go through `EventLog`."""
    await connection.execute(
        "INSERT INTO events (id, workspace_id, mode, kind, data, occurred_at) VALUES ($1, $2, $3, $4, $5, $6)",
        *(event.id, event.workspace_id, event.mode, event.kind, event.data, event.occurred_at),
    )


async def replay(
    connection: Connection,
    webhook_id: UUID,
    *,
    start: datetime,
    end: datetime,
    only_failed: bool,
    now: datetime,
) -> tuple[int, datetime | None]:
    """Queues matching events, oldest first, at most `REPLAY_LIMIT`; returns how many, and where to go on."""
    rows = await connection.fetch(_REPLAY, webhook_id, start, end, only_failed, now, REPLAY_LIMIT)
    if len(rows) < REPLAY_LIMIT:
        return len(rows), None
    return len(rows), max(row["occurred_at"] for row in rows)


_WEBHOOK = """
SELECT w.*, (
    SELECT h.failing_since + make_interval(secs => coalesce(c.ahead_seconds, 0))
    FROM webhook_health h LEFT JOIN test_clocks c ON c.workspace_id = h.workspace_id AND h.mode = 'test'
    WHERE h.endpoint_id = w.id) AS failing_since
FROM webhooks w
WHERE w.workspace_id = $1 AND w.mode = $2 AND w.deleted_at IS NULL
  AND ($3::uuid[] IS NULL OR w.number_ids <@ $3)
"""

_INSERT = """
INSERT INTO webhooks (id, workspace_id, mode, url, description, events, number_ids, enabled,
                      disabled_at, disabled_reason, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
        CASE WHEN NOT $8 THEN $9::timestamptz END, CASE WHEN NOT $8 THEN 'by_user' END, $9, $9)
"""

_UPDATE = """
UPDATE webhooks SET url = $2, description = $3, events = $4, number_ids = $5, enabled = $6, updated_at = $7,
    disabled_at = CASE WHEN NOT $6 THEN coalesce(disabled_at, $7) END,
    disabled_reason = CASE WHEN NOT $6 THEN coalesce(disabled_reason, 'by_user') END
WHERE id = $1
"""

_FORGET_URL = """
DELETE FROM webhook_health
WHERE endpoint_id = url_endpoint_id($1, $2, $3) AND workspace_id = $1
"""

_OF_EVENT = """
SELECT d.*, e.kind FROM webhook_deliveries d JOIN events e ON e.id = d.event_id
WHERE d.event_id = $1 AND ($2::uuid IS NULL OR d.id < $2) ORDER BY d.id DESC LIMIT $3
"""

_DELIVERY_COLUMNS = """
SELECT d.*, e.kind FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE d.endpoint_id = $1
"""

_DELIVERY = f"{_DELIVERY_COLUMNS} AND d.id = $2"

_DELIVERIES = f"""{_DELIVERY_COLUMNS}
  AND ($2::uuid IS NULL OR d.id < $2)
  AND ($3::delivery_status IS NULL OR d.status = $3)
  AND ($4::text[] IS NULL OR e.kind = ANY ($4))
  AND ($5::uuid IS NULL OR d.event_id = $5)
  AND ($6::timestamptz IS NULL OR d.created_at >= $6)
  AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY d.id DESC LIMIT $8
"""

_ATTEMPTS = "SELECT * FROM webhook_attempts WHERE delivery_id = ANY ($1) ORDER BY delivery_id, attempt"

# Due at once whatever the asker's clock says (a test clock may be days ahead), hence `least`, here and in a replay.
_DELIVER_ONE = """
INSERT INTO webhook_deliveries
    (event_id, workspace_id, mode, webhook_id, endpoint_id, url, call_id, sequence, cause, due_at)
SELECT e.id, e.workspace_id, e.mode, w.id, w.id, w.url, e.call_id, e.sequence, $3, least($4, clock_timestamp())
FROM events e CROSS JOIN webhooks w WHERE e.id = $2 AND w.id = $1
RETURNING id
"""

# Failed: delivered never, and not on its way. All are due at once; microseconds keep
# the order of the events within the lane.
_REPLAY = """
WITH event AS (
    SELECT e.*, w.id AS webhook_id, w.url,
           least($5, clock_timestamp())
             - interval '1 microsecond' * ($6::bigint - row_number() OVER (ORDER BY e.occurred_at, e.id))
             AS due_at
    FROM webhooks w JOIN events e ON e.workspace_id = w.workspace_id AND e.mode = w.mode
    WHERE w.id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
      AND e.kind NOT LIKE 'flow.%' AND e.kind <> 'webhook.test'
      AND (e.kind = ANY (w.events) OR '*' = ANY (w.events))
      AND (w.number_ids IS NULL OR e.number_id = ANY (w.number_ids))
      AND NOT ($4 AND EXISTS (
          SELECT FROM webhook_deliveries d WHERE d.event_id = e.id AND d.endpoint_id = w.id
            AND d.status IN ('succeeded', 'pending', 'delivering')))
    ORDER BY e.occurred_at, e.id LIMIT $6
), queued AS (
    INSERT INTO webhook_deliveries
        (event_id, workspace_id, mode, webhook_id, endpoint_id, url, call_id, sequence, cause, due_at)
    SELECT id, workspace_id, mode, webhook_id, webhook_id, url, call_id, sequence, 'replay', due_at FROM event
)
SELECT occurred_at FROM event
"""

_COUNT = "SELECT count(*) FROM webhooks WHERE workspace_id = $1 AND mode = $2 AND deleted_at IS NULL"
