"""The state machine of a delivery, in Python and in the database."""

from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import asyncpg

from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.webhooks.models import DELIVERY_EDGES, DeliveryStatus
from webhooks.workspace import Workspace

ENDED = {DeliveryStatus.SUCCEEDED, DeliveryStatus.DEAD_LETTER, DeliveryStatus.DISCARDED}


async def test_the_database_allows_the_same_transitions_and_refuses_every_other(workspace: Workspace) -> None:
    await workspace.subscribe("https://one.example")
    await workspace.emit()
    allowed = set()
    async with workspace.database.connection() as connection:
        for old, new in product(DeliveryStatus, DeliveryStatus):
            made = await put(connection, old)
            with suppress(asyncpg.CheckViolationError):
                await move(connection, made, new)
                allowed.add((old, new))
    assert allowed == DELIVERY_EDGES | {(status, status) for status in DeliveryStatus}


async def put(connection: Connection, status: DeliveryStatus) -> UUID:
    """A delivery in any state, copied from the first one."""
    made = uuid7()
    await connection.execute(
        "INSERT INTO webhook_deliveries (id, event_id, workspace_id, mode, endpoint_id, url, due_at, status,"
        " lease_id, lease_until, finished_at) SELECT $1, event_id, workspace_id, mode, endpoint_id, url, due_at,"
        " $2, $3, $4, $5 FROM webhook_deliveries LIMIT 1",
        *(made, status, *side_columns(status)),
    )
    return made


async def move(connection: Connection, delivery_id: UUID, status: DeliveryStatus) -> None:
    await connection.execute(
        "UPDATE webhook_deliveries SET status = $2, lease_id = $3, lease_until = $4, finished_at = $5 WHERE id = $1",
        *(delivery_id, status, *side_columns(status)),
    )


def side_columns(status: DeliveryStatus) -> tuple[UUID | None, datetime | None, datetime | None]:
    """What a row in this state must carry: lease, its end, and when the delivery ended."""
    now = datetime.now(UTC)
    if status is DeliveryStatus.DELIVERING:
        return uuid7(), now, None
    return None, None, now if status in ENDED else None
