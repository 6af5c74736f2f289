"""The state machine of a delivery, in Python and in the database."""

from itertools import product

import asyncpg
import pytest

from sautikitd.ids import uuid7
from sautikitd.webhooks.models import DELIVERY_EDGES, DeliveryStatus
from webhooks.workspace import Workspace

ENDED = {DeliveryStatus.SUCCEEDED, DeliveryStatus.DEAD_LETTER, DeliveryStatus.DISCARDED}


async def test_the_database_holds_the_same_transitions(workspace: Workspace) -> None:
    async with workspace.database.connection() as connection:
        rows = await connection.fetch("SELECT from_status, to_status FROM delivery_status_edges")
    assert {(row["from_status"], row["to_status"]) for row in rows} == DELIVERY_EDGES


@pytest.mark.parametrize(
    ("old", "new"), [edge for edge in product(DeliveryStatus, DeliveryStatus) if edge[0] != edge[1]]
)
async def test_the_database_refuses_every_other_transition(
    workspace: Workspace, old: DeliveryStatus, new: DeliveryStatus
) -> None:
    await workspace.subscribe("https://one.example")
    await workspace.emit()
    async with workspace.database.connection() as connection:
        await connection.execute("DELETE FROM webhook_deliveries WHERE status <> 'pending'")
        await connection.execute(
            "INSERT INTO webhook_deliveries (id, event_id, workspace_id, mode, endpoint_id, url, due_at, status,"
            " lease_id, lease_until, finished_at) SELECT $1, event_id, workspace_id, mode, endpoint_id, url, due_at,"
            " $2, $3, CASE WHEN $3::uuid IS NULL THEN NULL ELSE now() END, CASE WHEN $4 THEN now() END"
            " FROM webhook_deliveries LIMIT 1",
            *((made := uuid7()), old, uuid7() if old is DeliveryStatus.DELIVERING else None, old in ENDED),
        )
        move = connection.execute(
            "UPDATE webhook_deliveries SET status = $2, lease_id = $3,"
            " lease_until = CASE WHEN $3::uuid IS NULL THEN NULL ELSE now() END,"
            " finished_at = CASE WHEN $4 THEN now() END WHERE id = $1",
            *(made, new, uuid7() if new is DeliveryStatus.DELIVERING else None, new in ENDED),
        )
        if (old, new) in DELIVERY_EDGES:
            await move
        else:
            with pytest.raises(asyncpg.CheckViolationError):
                await move
