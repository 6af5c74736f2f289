"""Numbers about calls: totals since a moment, and a zero-filled series by hour or day (Africa/Nairobi)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.calls.requests import read_time
from sautikitd.clock import NAIROBI
from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal
from sautikitd.timestamps import rfc3339

Bucket = Literal["hour", "day"]
MAX_BUCKETS = {"hour": 24 * 31, "day": 366}


class StatsPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket. completed + missed + failed = ended root calls of it; `total` counts those under way too."""

    start: str
    total: int
    inbound: int
    outbound: int
    completed: int
    missed: int
    failed: int
    spend_minor: int


class Stats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Root calls are counted; the money is that of all legs. `failed` is failed, no answer, busy and canceled."""

    total: int
    failed: int
    minutes_total: float
    spend_minor: int
    currency: str
    since: str
    series: Sequence[StatsPoint] | None = None


def start_of(since: str, now: datetime) -> datetime:
    local = now.astimezone(NAIROBI)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if since == "today":
        return midnight
    if since == "7d":
        return midnight - timedelta(days=6)
    if since == "month":
        return midnight.replace(day=1)
    return read_time(since)


async def stats(
    connection: Connection, principal: Principal, since: str, bucket: Bucket | None, now: datetime
) -> Stats:
    """A key that is limited to numbers gets what their calls come to."""
    start = start_of(since, now)
    row = await connection.fetchrow(_TOTALS, *_whose(principal), start)
    series = await _series(connection, principal, start, bucket, now) if bucket else None
    return Stats(
        total=row["total"],
        failed=row["failed"],
        minutes_total=round(row["seconds"] / 60, 2),
        spend_minor=row["spend_minor"],
        currency="KES",
        since=rfc3339(start),
        series=series,
    )


def _whose(principal: Principal) -> tuple[UUID, Mode, list[UUID] | None]:
    numbers = None if principal.number_ids is None else list(principal.number_ids)
    return principal.workspace_id, principal.mode, numbers


async def _series(
    connection: Connection, principal: Principal, start: datetime, bucket: Bucket, now: datetime
) -> list[StatsPoint]:
    step = timedelta(hours=1) if bucket == "hour" else timedelta(days=1)
    start = max(start, now - step * MAX_BUCKETS[bucket])
    rows = await connection.fetch(_SERIES, *_whose(principal), start, bucket, now)
    return [
        StatsPoint(
            start=rfc3339(row["start"]),
            **{name: row[name] for name in StatsPoint.__struct_fields__ if name != "start"},
        )
        for row in rows
    ]


# Ids are time-ordered, so the lower bound is a range on the index of the list.
_TOTALS = """
SELECT count(*) FILTER (WHERE parent_call_id IS NULL) AS total,
       count(*) FILTER (WHERE parent_call_id IS NULL AND status IN ('failed', 'no_answer', 'busy', 'canceled')) AS failed,
       coalesce(sum(billed_seconds) FILTER (WHERE target_count = 1), 0)::float8 AS seconds,
       coalesce(sum(cost_minor), 0)::bigint AS spend_minor
FROM calls WHERE workspace_id = $1 AND mode = $2 AND ($3::uuid[] IS NULL OR number_id = ANY ($3)) AND created_at >= $4
  AND id >= (lpad(to_hex((extract(epoch FROM $4::timestamptz) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
"""

_SERIES = """
WITH buckets AS (
    SELECT generate_series(date_trunc($5::text, $4::timestamptz, 'Africa/Nairobi'), $6::timestamptz,
                           ('1 ' || $5)::interval) AS start
), counted AS (
    SELECT date_trunc($5::text, created_at, 'Africa/Nairobi') AS start,
           count(*) FILTER (WHERE parent_call_id IS NULL) AS total,
           count(*) FILTER (WHERE parent_call_id IS NULL AND direction = 'inbound') AS inbound,
           count(*) FILTER (WHERE parent_call_id IS NULL AND direction = 'outbound') AS outbound,
           count(*) FILTER (WHERE parent_call_id IS NULL AND status = 'completed') AS completed,
           count(*) FILTER (WHERE parent_call_id IS NULL AND status IN ('no_answer', 'busy', 'canceled')) AS missed,
           count(*) FILTER (WHERE parent_call_id IS NULL AND status = 'failed') AS failed,
           coalesce(sum(cost_minor), 0)::bigint AS spend_minor
    FROM calls WHERE workspace_id = $1 AND mode = $2 AND ($3::uuid[] IS NULL OR number_id = ANY ($3)) AND created_at >= $4
      AND id >= (lpad(to_hex((extract(epoch FROM $4::timestamptz) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
    GROUP BY 1
)
SELECT buckets.start, coalesce(total, 0) AS total, coalesce(inbound, 0) AS inbound, coalesce(outbound, 0) AS outbound,
       coalesce(completed, 0) AS completed, coalesce(missed, 0) AS missed, coalesce(failed, 0) AS failed,
       coalesce(spend_minor, 0) AS spend_minor
FROM buckets LEFT JOIN counted USING (start) ORDER BY buckets.start
"""
