"""SQL of pushes and of the questions after them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments.models import PushState, TopUp

_NAMES = ", ".join(f"t.{field.name}" for field in msgspec.structs.fields(TopUp))


async def claim_pushes(
    connection: Connection, modes: Sequence[Mode], now: datetime, limit: int
) -> list[TopUp]:
    """Marks queued pushes as being sent. Once that is committed, each may be sent by its claimer and by nobody else."""
    rows = await connection.fetch(_CLAIM, list(modes), now, limit)
    return [msgspec.convert(dict(row), TopUp) for row in rows]


async def accepted(
    connection: Connection, topup_id: UUID, checkout_request_id: str, next_check_at: datetime | None
) -> str | None:
    """Returns the CheckoutRequestID the top-up now has: a callback may have brought another before."""
    known: str | None = await connection.fetchval(_ACCEPTED, topup_id, checkout_request_id, next_check_at)
    return known


async def set_state(connection: Connection, topup_id: UUID, state: PushState) -> None:
    await connection.execute(_SET, topup_id, state)


async def requeue(connection: Connection, topup_id: UUID, due_at: datetime) -> None:
    await connection.execute(_REQUEUE, topup_id, due_at)


async def forsake(connection: Connection, pushed_before: datetime) -> Sequence[UUID]:
    """Pushes whose sender never came back may have left: they are unknown, and stay unsent."""
    return [row["id"] for row in await connection.fetch(_FORSAKE, pushed_before)]


async def claim_checks(
    connection: Connection, modes: Sequence[Mode], now: datetime, again_at: datetime, limit: int
) -> list[TopUp]:
    """Pending top-ups to ask about now; nobody else asks before `again_at`."""
    rows = await connection.fetch(_CLAIM_CHECKS, list(modes), now, again_at, limit)
    return [msgspec.convert(dict(row), TopUp) for row in rows]


async def check_at(connection: Connection, topup_id: UUID, next_check_at: datetime | None) -> None:
    await connection.execute(
        "UPDATE topups SET next_check_at = $2 WHERE id = $1 AND status = 'pending'", topup_id, next_check_at
    )


_CLAIM = f"""
UPDATE topups t SET push_state = 'sending', pushed_at = $2
WHERE id IN (SELECT id FROM topups WHERE push_state = 'queued' AND push_due_at <= $2 AND mode = ANY ($1::text[])
             ORDER BY push_due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING {_NAMES}
"""

_ACCEPTED = """
UPDATE topups SET push_state = 'accepted', checkout_request_id = coalesce(checkout_request_id, $2),
                  next_check_at = CASE WHEN status = 'pending' THEN coalesce(next_check_at, $3) END
WHERE id = $1 RETURNING checkout_request_id
"""

_SET = "UPDATE topups SET push_state = $2 WHERE id = $1"

_REQUEUE = (
    "UPDATE topups SET push_state = 'queued', push_due_at = $2 WHERE id = $1 AND push_state = 'sending'"
)

_FORSAKE = """
UPDATE topups SET push_state = 'unknown' WHERE push_state = 'sending' AND pushed_at < $1 RETURNING id
"""

_CLAIM_CHECKS = f"""
UPDATE topups t SET next_check_at = $3
WHERE id IN (SELECT id FROM topups
             WHERE status = 'pending' AND next_check_at <= $2 AND checkout_request_id IS NOT NULL
               AND mode = ANY ($1::text[])
             ORDER BY next_check_at LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING {_NAMES}
"""
