"""SQL of receipts and suspense cases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments.models import Payment, Place, SuspenseCase, SuspenseReason, SuspenseState

_NAMES = ", ".join(field.name for field in msgspec.structs.fields(SuspenseCase))


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came, and where it is."""

    mode: Mode
    receipt: str
    amount_minor: int
    place: Place
    workspace_id: UUID | None
    topup_id: UUID | None


async def add(
    connection: Connection,
    payment: Payment,
    place: Place,
    *,
    workspace_id: UUID | None,
    topup_id: UUID | None,
    now: datetime,
) -> bool:
    """False when the receipt is known. Waits for whoever is just writing the same one."""
    row = await connection.fetchval(
        _ADD,
        payment.mode,
        payment.receipt,
        payment.amount_minor,
        place,
        workspace_id,
        topup_id,
        payment.reference,
        payment.payer,
        payment.paid_at,
        payment.source,
        now,
    )
    return row is not None


async def seen_again(connection: Connection, payment: Payment, now: datetime) -> Receipt:
    """Notes that another channel (or the same once more) told of it; locks it."""
    row = await connection.fetchrow(
        _SEEN,
        payment.mode,
        payment.receipt,
        payment.source,
        now,
        payment.amount_minor,
        payment.reference,
        payment.paid_at,
    )
    return msgspec.convert(dict(row), Receipt)


async def move(
    connection: Connection,
    mode: Mode,
    receipt: str,
    place: Place,
    *,
    workspace_id: UUID | None = None,
    topup_id: UUID | None = None,
) -> None:
    """From now on it is there, and pays that top-up or none."""
    await connection.execute(_MOVE, mode, receipt, place, workspace_id, topup_id)


async def holds_money_of(connection: Connection, topup_id: UUID) -> bool:
    """Whether a receipt meant for this top-up is in suspense (or was sent back): then it is not paid by a query's word."""
    held: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM mpesa_receipts WHERE topup_id = $1 AND place <> 'wallet')", topup_id
    )
    return held


async def open_case(
    connection: Connection,
    case_id: UUID,
    payment: Payment,
    amount_minor: int,
    reason: SuspenseReason,
    topup_id: UUID | None,
    now: datetime,
) -> None:
    place = (payment.mode, payment.receipt)
    await connection.execute(_OPEN_CASE, case_id, *place, amount_minor, reason, topup_id, now)


async def lock_case(connection: Connection, case_id: UUID) -> SuspenseCase | None:
    """Its receipt is locked before it, as everywhere."""
    await connection.execute(_LOCK_RECEIPT_OF, case_id)
    row = await connection.fetchrow(f"SELECT {_NAMES} FROM suspense_cases WHERE id = $1 FOR UPDATE", case_id)
    return None if row is None else msgspec.convert(dict(row), SuspenseCase)


async def lock_case_of(connection: Connection, mode: Mode, receipt: str) -> SuspenseCase | None:
    row = await connection.fetchrow(_CASE_OF, mode, receipt)
    return None if row is None else msgspec.convert(dict(row), SuspenseCase)


async def close_case(
    connection: Connection,
    case_id: UUID,
    state: SuspenseState,
    note: str,
    now: datetime,
    *,
    workspace_id: UUID | None = None,
) -> None:
    await connection.execute(_CLOSE, case_id, state, note, workspace_id, now)


async def open_cases(connection: Connection) -> Sequence[dict[str, Any]]:
    """The open ones, oldest first, with what is known of their payments."""
    return [dict(row) for row in await connection.fetch(_OPEN_CASES)]


_ADD = """
INSERT INTO mpesa_receipts (mode, receipt, amount_minor, place, workspace_id, topup_id, reference, payer, paid_at,
                            stk_at, c2b_at, pull_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $10 = 'stk' THEN $11::timestamptz END,
        CASE WHEN $10 = 'c2b' THEN $11::timestamptz END, CASE WHEN $10 = 'pull' THEN $11::timestamptz END, $11)
ON CONFLICT DO NOTHING RETURNING true
"""

_SEEN = """
UPDATE mpesa_receipts SET
    stk_at = CASE WHEN $3 = 'stk' THEN coalesce(stk_at, $4) ELSE stk_at END,
    c2b_at = CASE WHEN $3 = 'c2b' THEN coalesce(c2b_at, $4) ELSE c2b_at END,
    pull_at = CASE WHEN $3 = 'pull' THEN coalesce(pull_at, $4) ELSE pull_at END,
    disputed_minor = CASE WHEN amount_minor <> $5 THEN $5 ELSE disputed_minor END,
    reference = coalesce(reference, $6), paid_at = coalesce(paid_at, $7)
WHERE mode = $1 AND receipt = $2
RETURNING mode, receipt, amount_minor, place, workspace_id, topup_id
"""

_MOVE = """
UPDATE mpesa_receipts SET place = $3, workspace_id = $4, topup_id = $5
WHERE mode = $1 AND receipt = $2
"""

_OPEN_CASE = """
INSERT INTO suspense_cases (id, mode, receipt, amount_minor, reason, topup_id, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_LOCK_RECEIPT_OF = """
SELECT FROM mpesa_receipts r JOIN suspense_cases c ON (c.mode, c.receipt) = (r.mode, r.receipt)
WHERE c.id = $1 FOR UPDATE OF r
"""

_CASE_OF = f"SELECT {_NAMES} FROM suspense_cases WHERE mode = $1 AND receipt = $2 FOR UPDATE"

_CLOSE = """
UPDATE suspense_cases SET state = $2, note = $3, workspace_id = $4, closed_at = $5 WHERE id = $1
"""

_OPEN_CASES = """
SELECT c.id, c.mode, c.receipt, c.amount_minor, c.reason, c.topup_id, c.opened_at, r.reference, r.payer, r.paid_at,
       r.amount_minor AS received_minor
FROM suspense_cases c JOIN mpesa_receipts r ON (r.mode, r.receipt) = (c.mode, c.receipt)
WHERE c.state = 'open' ORDER BY c.id
"""
