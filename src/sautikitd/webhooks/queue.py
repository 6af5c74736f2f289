"""The queue of deliveries in PostgreSQL: claims, outcomes and lapsed leases, many rows a statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sautikitd.database.pool import Database
from sautikitd.ids import uuid7
from sautikitd.webhooks.lanes import ClaimRoom
from sautikitd.webhooks.models import ClaimedDelivery, FailingEndpoint, Outcome

LEASE = timedelta(seconds=20)
"""Longer than an attempt (10 s) and the recording of its outcome; a dead dispatcher's claims lapse after it."""

FAILING_FOR = timedelta(days=5)
FAILING_ATTEMPTS = 10

LARGEST_CLAIM = 200
FIRST_LANE = UUID(int=0)


async def open_queue_database(url: str) -> Database:
    """Connections for a dispatcher: its few statements, planned once, find their rows by index."""
    return await Database.connect(url, name="sautikitd deliveries", maximum=4, keep_plans=True)


class DeliveryQueue:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, room: ClaimRoom, now: datetime, after: UUID = FIRST_LANE) -> list[ClaimedDelivery]:
        """Leases due deliveries of lanes behind `after`, in the order of lanes, as many as `room` has.

        Of one lane and call, an event's first attempt is handed out only once the first attempt of the
        event before has finished, whoever made it.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _CLAIM,
                now,
                after,
                min(room.total, LARGEST_CLAIM),
                room.burst,
                room.closed,
                room.narrow,
                room.closed_workspaces,
                uuid7(),
                now + LEASE,
            )
        return [ClaimedDelivery(**row) for row in rows]

    async def record(self, outcomes: Sequence[Outcome], now: datetime) -> list[FailingEndpoint]:
        """Writes outcomes, their attempts and the health of their endpoints, in one statement.

        An outcome whose lease was lost is left out: another dispatcher delivers again. Returns the
        endpoints that have failed for five days, with ten attempts or more.
        """
        tries = [outcome.attempt for outcome in outcomes]
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _RECORD,
                [outcome.delivery.id for outcome in outcomes],
                [outcome.delivery.lease_id for outcome in outcomes],
                [outcome.status for outcome in outcomes],
                [outcome.due_at for outcome in outcomes],
                [outcome.error for outcome in outcomes],
                [a is not None for a in tries],
                [a and a.url for a in tries],
                [a and dict(a.request_headers) for a in tries],
                [a and a.response_status for a in tries],
                [a and a.response_headers and dict(a.response_headers) for a in tries],
                [a and a.response_body for a in tries],
                [a and a.duration_ms for a in tries],
                [a and a.started_at for a in tries],
                now,
                now - FAILING_FOR,
                FAILING_ATTEMPTS,
            )
        return [FailingEndpoint(**row) for row in rows]

    async def make_retries_ready(self, now: datetime) -> None:
        """Lets retries be claimed whose time has come: the longest due first, a thousand at a time."""
        async with self._database.connection() as connection:
            await connection.execute(_MAKE_READY, now)

    async def take_back_lapsed(self, now: datetime) -> int:
        """Makes deliveries of dead dispatchers claimable again; returns how many. Their attempt is not counted."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_TAKE_BACK, now)
        return len(rows)


# `lane` walks from one pending lane to the next by the index (a loose index scan), so that a claim costs
# by the number of lanes with something to do, however long the backlog of any one of them is.
_CLAIM = """
WITH RECURSIVE lane AS (
    (SELECT endpoint_id, workspace_id FROM webhook_deliveries
     WHERE status = 'pending' AND ready AND endpoint_id > $2 ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT following.endpoint_id, following.workspace_id FROM lane CROSS JOIN LATERAL (
        SELECT endpoint_id, workspace_id FROM webhook_deliveries
        WHERE status = 'pending' AND ready AND endpoint_id > lane.endpoint_id ORDER BY endpoint_id LIMIT 1) following
), open_lane AS (
    SELECT endpoint_id, endpoint_id = ANY ($6::uuid[]) AS narrow FROM lane
    WHERE NOT endpoint_id = ANY ($5::uuid[]) AND NOT workspace_id = ANY ($7::uuid[])
), picked AS MATERIALIZED (
    SELECT due.id FROM open_lane CROSS JOIN LATERAL (
        SELECT id FROM (
            SELECT d.id FROM webhook_deliveries d
            WHERE d.status = 'pending' AND d.ready AND d.endpoint_id = open_lane.endpoint_id AND d.due_at <= $1
              AND NOT open_lane.narrow AND {in_turn}
            ORDER BY d.due_at, d.id LIMIT $4 FOR UPDATE SKIP LOCKED) several
        UNION ALL
        SELECT id FROM (
            SELECT d.id FROM webhook_deliveries d
            WHERE d.status = 'pending' AND d.ready AND d.endpoint_id = open_lane.endpoint_id AND d.due_at <= $1
              AND open_lane.narrow AND {in_turn}
            ORDER BY d.due_at, d.id LIMIT 1 FOR UPDATE SKIP LOCKED) one) due
    LIMIT $3
), claimed AS (
    UPDATE webhook_deliveries SET status = 'delivering', lease_id = $8, lease_until = $9
    WHERE id = ANY (ARRAY(SELECT id FROM picked))
    RETURNING id, lease_id, endpoint_id, workspace_id, mode, webhook_id, url, form, attempts, event_id, call_id, due_at
), subscription AS MATERIALIZED (
    SELECT w.id, w.url, w.enabled AND w.deleted_at IS NULL AS open,
           ARRAY(SELECT s.id FROM webhook_secrets s
                 WHERE s.webhook_id = w.id AND (s.valid_until IS NULL OR s.valid_until > $1)
                 ORDER BY s.valid_until DESC NULLS FIRST) AS secret_ids
    FROM webhooks w WHERE w.id = ANY (ARRAY(SELECT DISTINCT webhook_id FROM claimed))
)
SELECT d.id, d.lease_id, d.endpoint_id, d.workspace_id, d.mode, d.webhook_id,
       coalesce(w.url, d.url) AS url, d.form, d.attempts, d.event_id, e.kind, d.call_id, e.occurred_at, e.data::text AS data,
       CASE WHEN d.webhook_id IS NULL
            THEN NOT EXISTS (SELECT FROM webhook_health h
                             WHERE h.endpoint_id = d.endpoint_id AND h.disabled_until > $1)
            ELSE coalesce(w.open, false) END AS open,
       coalesce(w.secret_ids, '{{}}') AS secret_ids
FROM claimed d JOIN events e ON e.id = d.event_id LEFT JOIN subscription w ON w.id = d.webhook_id
ORDER BY d.endpoint_id, d.due_at, d.id
""".format(
    in_turn="""(d.call_id IS NULL OR d.attempts > 0 OR NOT EXISTS (
               SELECT FROM webhook_deliveries earlier
               WHERE earlier.endpoint_id = d.endpoint_id AND earlier.call_id = d.call_id
                 AND earlier.sequence < d.sequence AND earlier.attempts = 0
                 AND earlier.status IN ('pending', 'delivering')))"""
)

_RECORD = """
WITH outcome AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::delivery_status[], $4::timestamptz[], $5::text[],
                         $6::boolean[], $7::text[], $8::jsonb[], $9::int[], $10::jsonb[], $11::text[],
                         $12::int[], $13::timestamptz[])
      AS o (id, lease_id, status, due_at, error, counted, url, request_headers, response_status,
            response_headers, response_body, duration_ms, started_at)
), settled AS (
    UPDATE webhook_deliveries d SET
        status = o.status,
        attempts = d.attempts + o.counted::int,
        due_at = coalesce(o.due_at, d.due_at),
        ready = o.due_at IS NULL,
        lease_id = NULL,
        lease_until = NULL,
        last_attempt_at = coalesce(o.started_at, d.last_attempt_at),
        response_status = CASE WHEN o.counted THEN o.response_status ELSE d.response_status END,
        error = CASE WHEN o.counted OR o.error IS NOT NULL THEN o.error ELSE d.error END,
        finished_at = CASE WHEN o.status IN ('succeeded', 'dead_letter', 'discarded') THEN $14::timestamptz END
    FROM outcome o WHERE d.id = o.id AND d.lease_id = o.lease_id
    RETURNING d.id, d.attempts, d.status, d.endpoint_id, d.workspace_id, d.mode, d.webhook_id
), logged AS (
    INSERT INTO webhook_attempts (delivery_id, attempt, url, request_headers, response_status, response_headers,
                                  response_body, error, duration_ms, started_at)
    SELECT s.id, s.attempts, o.url, o.request_headers, o.response_status, o.response_headers,
           o.response_body, o.error, o.duration_ms, o.started_at
    FROM settled s JOIN outcome o USING (id) WHERE o.counted
), healed AS (
    UPDATE webhook_health SET failures = 0, failing_since = NULL
    WHERE failures > 0 AND endpoint_id = ANY (ARRAY(SELECT endpoint_id FROM settled WHERE status = 'succeeded'))
), hurt AS (
    INSERT INTO webhook_health AS h
        (endpoint_id, workspace_id, mode, webhook_id, url, failing_since, failures)
    SELECT s.endpoint_id, s.workspace_id, s.mode, s.webhook_id, max(o.url), min(o.started_at), count(*)
    FROM settled s JOIN outcome o USING (id) WHERE o.counted
    GROUP BY s.endpoint_id, s.workspace_id, s.mode, s.webhook_id
    HAVING NOT bool_or(s.status = 'succeeded')
    ORDER BY s.endpoint_id
    ON CONFLICT (endpoint_id) DO UPDATE SET
        failures = h.failures + excluded.failures,
        failing_since = coalesce(h.failing_since, excluded.failing_since),
        url = excluded.url
    RETURNING h.*
)
SELECT h.endpoint_id, h.workspace_id, h.mode, h.webhook_id, h.url, h.failures,
       h.failing_since + make_interval(secs => coalesce(c.ahead_seconds, 0)) AS failing_since
FROM hurt h LEFT JOIN test_clocks c ON c.workspace_id = h.workspace_id AND h.mode = 'test'
WHERE h.failing_since <= $15 AND h.failures >= $16
"""

_MAKE_READY = """
UPDATE webhook_deliveries SET ready = true
WHERE id = ANY (ARRAY(
    SELECT id FROM webhook_deliveries WHERE status = 'pending' AND NOT ready AND due_at <= $1
    ORDER BY due_at LIMIT 1000 FOR UPDATE SKIP LOCKED))
"""

_TAKE_BACK = """
UPDATE webhook_deliveries SET status = 'pending', lease_id = NULL, lease_until = NULL
WHERE id = ANY (ARRAY(
    SELECT id FROM webhook_deliveries WHERE status = 'delivering' AND lease_until < $1
    ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED))
RETURNING id
"""
