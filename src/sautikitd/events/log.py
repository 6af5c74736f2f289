"""The outbox's writing side: an event and its deliveries, in the transaction of the change they report."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sautikitd.database.pool import Connection
from sautikitd.events.envelope import bounded
from sautikitd.events.kinds import is_public
from sautikitd.events.models import Endpoint, Event

CHANNEL = "webhooks"
"""The NOTIFY channel that wakes dispatchers. Send it after commit, on a connection of its own, coalesced."""


class EventLog:
    """Writes events. Nothing is sent here: the dispatcher finds the deliveries once the transaction commits."""

    async def record(self, connection: Connection, event: Event, endpoints: Sequence[Endpoint] = ()) -> None:
        """Writes one event and a delivery for each of its receivers, in one round trip.

        Receivers are the matching enabled subscriptions and `endpoints`, each URL once; a subscription's
        secret goes before the workspace's signing secret, and among subscriptions of the same URL the
        narrowest: with a number filter, then with names instead of `*`, then the oldest. A URL that rests
        after it was disabled gets none. Raises `UnknownEventKind`.
        """
        await self.record_many(connection, [(event, endpoints)])

    async def record_many(
        self, connection: Connection, events: Sequence[tuple[Event, Sequence[Endpoint]]]
    ) -> int:
        """Like `record`, for several events at once; those of one call in the order of their `sequence`.

        Returns how many deliveries were made: without any there is nothing to wake a dispatcher for.
        """
        for event, _ in events:
            is_public(event.kind)
        facts = [event for event, _ in events]
        given = list(chain.from_iterable([(event.id, e.url, e.form) for e in urls] for event, urls in events))
        written: str = await connection.execute(
            _RECORD,
            *_columns(facts),
            [event_id for event_id, _, _ in given],
            [url for _, url, _ in given],
            [form for _, _, form in given],
        )
        return int(written.rpartition(" ")[2])

    async def tell(self, connection: Connection, events: Sequence[Event]) -> None:
        """Writes `flow.*` events, which nobody receives. One that is there already is left as it is, so that a batch
        may be written again when nobody knows whether it was committed."""
        if any(is_public(event.kind) for event in events):
            raise ValueError("a public event is recorded with its deliveries")
        await connection.execute(_TELL, *_columns(events))


def _columns(events: Sequence[Event]) -> tuple[list[Any], ...]:
    return (
        [event.id for event in events],
        [event.workspace_id for event in events],
        [event.mode for event in events],
        [event.kind for event in events],
        [event.call_id for event in events],
        [event.number_id for event in events],
        [event.sequence for event in events],
        [bounded(event.data) for event in events],
        [event.occurred_at for event in events],
    )


_TELL = """
INSERT INTO events (id, workspace_id, mode, kind, call_id, number_id, sequence, data, occurred_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::int[],
                     $8::jsonb[], $9::timestamptz[])
ON CONFLICT (id) DO NOTHING
"""


# A first attempt is due at once whatever the writer's clock says, hence `least`.
_RECORD = """
WITH event AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::int[],
                         $8::jsonb[], $9::timestamptz[])
      AS e (id, workspace_id, mode, kind, call_id, number_id, sequence, data, occurred_at)
), kept AS (
    INSERT INTO events (id, workspace_id, mode, kind, call_id, number_id, sequence, data, occurred_at)
    SELECT id, workspace_id, mode, kind, call_id, number_id, sequence, data, occurred_at FROM event
), receiver AS (
    SELECT e.id AS event_id, w.id AS webhook_id, w.id AS endpoint_id, w.url, NULL AS form,
           w.number_ids IS NULL AS every_number, '*' = ANY (w.events) AS every_kind
    FROM event e
    JOIN webhooks w ON w.workspace_id = e.workspace_id AND w.mode = e.mode
     AND w.enabled AND w.deleted_at IS NULL
     AND (e.kind = ANY (w.events) OR '*' = ANY (w.events))
     AND (w.number_ids IS NULL OR e.number_id = ANY (w.number_ids))
    WHERE e.kind NOT LIKE 'flow.%'
    UNION ALL
    SELECT e.id, NULL, url_endpoint_id(e.workspace_id, e.mode, given.url), given.url, given.form, true, true
    FROM unnest($10::uuid[], $11::text[], $12::text[]) AS given (event_id, url, form)
    JOIN event e ON e.id = given.event_id
    WHERE e.kind NOT LIKE 'flow.%' AND NOT EXISTS (
        SELECT FROM webhook_health h
        WHERE h.endpoint_id = url_endpoint_id(e.workspace_id, e.mode, given.url)
          AND h.disabled_until > e.occurred_at)
), chosen AS (
    SELECT DISTINCT ON (event_id, url) * FROM receiver
    ORDER BY event_id, url, webhook_id IS NULL, every_number, every_kind, webhook_id
)
INSERT INTO webhook_deliveries
    (event_id, workspace_id, mode, webhook_id, endpoint_id, url, form, call_id, sequence, due_at)
SELECT e.id, e.workspace_id, e.mode, c.webhook_id, c.endpoint_id, c.url, c.form, e.call_id, e.sequence,
       least(e.occurred_at, clock_timestamp())
FROM chosen c JOIN event e ON e.id = c.event_id
ORDER BY e.call_id, e.sequence
"""
