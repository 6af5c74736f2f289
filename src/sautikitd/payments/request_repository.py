"""SQL of what we asked of M-PESA: claimed here, committed, and only then sent."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments.models import RequestState


class MpesaRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A reversal (`case_id`, `amount_minor`), or a question for a status (`about` a reversal, or of its own)."""

    id: UUID
    mode: Mode
    kind: Literal["reversal", "status"]
    receipt: str
    state: RequestState
    asked_at: datetime
    amount_minor: int | None = None
    case_id: UUID | None = None
    about: UUID | None = None
    note: str = ""
    conversation_id: str | None = None
    result_code: str | None = None
    told: str = ""
    told_amount_minor: int | None = None


_NAMES = ", ".join(field.name for field in msgspec.structs.fields(MpesaRequest))


async def claim(connection: Connection, new: MpesaRequest, next_check_at: datetime | None) -> bool:
    """False when a reversal of the receipt is there that was not refused: it is never asked for twice."""
    claimed = await connection.fetchval(
        _CLAIM,
        new.id,
        new.mode,
        new.kind,
        new.receipt,
        new.amount_minor,
        new.case_id,
        new.about,
        new.note,
        new.asked_at,
        next_check_at,
    )
    return claimed is not None


async def lock(connection: Connection, request_id: UUID) -> MpesaRequest | None:
    row = await connection.fetchrow(
        f"SELECT {_NAMES} FROM mpesa_requests WHERE id = $1 FOR UPDATE", request_id
    )
    return None if row is None else msgspec.convert(dict(row), MpesaRequest)


async def sent(connection: Connection, request_id: UUID, conversation_id: str | None) -> None:
    """It may have left us: from now on only a result ends it."""
    await connection.execute(_SENT, request_id, conversation_id)


async def finish(
    connection: Connection,
    request_id: UUID,
    state: RequestState,
    code: str,
    now: datetime,
    *,
    told: str = "",
    told_amount_minor: int | None = None,
) -> None:
    await connection.execute(_FINISH, request_id, state, code, told, told_amount_minor, now)


async def claim_checks(connection: Connection, now: datetime) -> list[MpesaRequest]:
    """Reversals without a result whose time has come; nobody else asks meanwhile.

    The next time is five minutes on in the first hour, an hour on for two days, and a day on after that.
    """
    rows = await connection.fetch(_CHECKS, now)
    return [msgspec.convert(dict(row), MpesaRequest) for row in rows]


async def reversal_under_way(connection: Connection, case_id: UUID) -> bool:
    return bool(await connection.fetchval(_UNDER_WAY, case_id))


_CLAIM = """
INSERT INTO mpesa_requests (id, mode, kind, receipt, amount_minor, case_id, about, state, note, asked_at, next_check_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'sending', $8, $9, $10) ON CONFLICT DO NOTHING RETURNING true
"""

_SENT = """
UPDATE mpesa_requests SET state = 'waiting', conversation_id = coalesce(conversation_id, $2)
WHERE id = $1 AND state = 'sending'
"""

_FINISH = """
UPDATE mpesa_requests SET state = $2, result_code = $3, told = $4, told_amount_minor = $5, completed_at = $6,
                          next_check_at = NULL
WHERE id = $1
"""

_CHECKS = f"""
UPDATE mpesa_requests SET next_check_at = $1 + CASE
    WHEN $1 - asked_at < interval '1 hour' THEN interval '5 minutes'
    WHEN $1 - asked_at < interval '2 days' THEN interval '1 hour' ELSE interval '1 day' END
WHERE id IN (SELECT id FROM mpesa_requests WHERE kind = 'reversal' AND state IN ('sending', 'waiting')
             AND next_check_at <= $1 ORDER BY next_check_at LIMIT 5 FOR UPDATE SKIP LOCKED)
RETURNING {_NAMES}
"""

_UNDER_WAY = """
SELECT true FROM mpesa_requests WHERE case_id = $1 AND kind = 'reversal' AND state IN ('sending', 'waiting')
"""
