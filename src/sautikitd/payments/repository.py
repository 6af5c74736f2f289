"""SQL of top-ups. Whoever changes one has it locked, or changes it only from the state he expects."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments.models import TopUp, TopUpStatus
from sautikitd.wallet.models import Account

_NAMES = ", ".join(field.name for field in msgspec.structs.fields(TopUp))


class NewTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """A push to be: it is queued, and its phone taken."""

    id: UUID
    account: Account
    amount_minor: int
    phone_e164: str
    reference: str
    now: datetime


class PhoneHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone has been prompted for: the newest push, the newest of the same amount, today's unpaid ones."""

    open_prompt: bool
    last_at: datetime | None
    same_amount_at: datetime | None
    unpaid: int


async def lock_phone(connection: Connection, mode: Mode, phone_e164: str) -> None:
    """Nobody else judges this phone's history until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 45))", f"{mode} {phone_e164}")


async def phone_history(
    connection: Connection, mode: Mode, phone_e164: str, amount_minor: int, since: datetime
) -> PhoneHistory:
    """Of every workspace. A push that Daraja turned down showed no prompt and does not count."""
    row = await connection.fetchrow(_HISTORY, mode, phone_e164, amount_minor, since)
    return PhoneHistory(**dict(row))


async def add(connection: Connection, new: NewTopUp) -> TopUp:
    row = await connection.fetchrow(
        _ADD,
        new.id,
        new.account.workspace_id,
        new.account.mode,
        new.amount_minor,
        new.phone_e164,
        new.reference,
        new.now,
    )
    return msgspec.convert(dict(row), TopUp)


async def add_paybill(
    connection: Connection,
    topup_id: UUID,
    account: Account,
    amount_minor: int,
    reference: str,
    receipt: str,
    now: datetime,
) -> TopUp:
    """One that succeeded by being heard of."""
    place = (account.workspace_id, account.mode)
    row = await connection.fetchrow(_ADD_PAYBILL, topup_id, *place, amount_minor, reference, receipt, now)
    return msgspec.convert(dict(row), TopUp)


async def find(connection: Connection, account: Account, topup_id: UUID) -> TopUp | None:
    row = await connection.fetchrow(_FIND, topup_id, account.workspace_id, account.mode)
    return None if row is None else msgspec.convert(dict(row), TopUp)


async def newest(
    connection: Connection,
    account: Account,
    *,
    after: UUID | None,
    limit: int,
    status: TopUpStatus | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> list[TopUp]:
    """`created_after` is included, `created_before` is not."""
    wanted = (status, created_after, created_before)
    rows = await connection.fetch(_NEWEST, account.workspace_id, account.mode, after, *wanted, limit)
    return [msgspec.convert(dict(row), TopUp) for row in rows]


async def account_reference(connection: Connection, workspace_id: UUID) -> str:
    reference: str = await connection.fetchval(
        "SELECT mpesa_account_ref FROM workspaces WHERE id = $1", workspace_id
    )
    return reference


async def workspace_with(connection: Connection, account_reference: str) -> UUID | None:
    """The workspace whose Paybill account this is."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM workspaces WHERE mpesa_account_ref = $1", account_reference
    )
    return found


async def lock(connection: Connection, mode: Mode, topup_id: UUID) -> TopUp | None:
    row = await connection.fetchrow(f"{_BY_ID} FOR UPDATE", topup_id, mode)
    return None if row is None else msgspec.convert(dict(row), TopUp)


async def lock_referred(connection: Connection, mode: Mode, reference: str) -> TopUp | None:
    row = await connection.fetchrow(f"{_BY_REFERENCE} FOR UPDATE", reference, mode)
    return None if row is None else msgspec.convert(dict(row), TopUp)


async def referred(connection: Connection, mode: Mode, reference: str) -> TopUp | None:
    row = await connection.fetchrow(_BY_REFERENCE, reference, mode)
    return None if row is None else msgspec.convert(dict(row), TopUp)


async def succeed(connection: Connection, topup: TopUp, receipt: str | None, now: datetime) -> None:
    late = topup.status is TopUpStatus.FAILED
    await connection.execute(_SUCCEED, topup.id, receipt, late, now)


async def fail(connection: Connection, topup: TopUp, failure_code: str, now: datetime) -> None:
    await connection.execute(_FAIL, topup.id, failure_code, now)


async def attach_receipt(connection: Connection, topup: TopUp, receipt: str) -> None:
    await connection.execute("UPDATE topups SET receipt = $2 WHERE id = $1", topup.id, receipt)


async def learn_checkout(connection: Connection, topup: TopUp, checkout_request_id: str) -> bool:
    """False where Daraja's name of the push is known, and is not this top-up's."""
    taken: bool = await connection.fetchval(_CHECKOUT_OF_ANOTHER, topup.id, topup.mode, checkout_request_id)
    if not taken:
        await connection.execute(_LEARN_CHECKOUT, topup.id, checkout_request_id)
    return not taken


async def check_soon(connection: Connection, topup: TopUp, now: datetime) -> None:
    """Has the reconciler ask at once, where there is something to ask by."""
    await connection.execute(_CHECK_SOON, topup.id, now)


async def release_prompts(connection: Connection, pushed_before: datetime) -> Sequence[UUID]:
    """Frees the phones whose prompt must long have gone, whatever became of the payment."""
    rows = await connection.fetch(_RELEASE_PROMPTS, pushed_before)
    return [row["id"] for row in rows]


async def unconfirmed(connection: Connection, created_before: datetime, limit: int) -> list[TopUp]:
    """Pending ones that no channel told of though pulls cover all their time. Locked."""
    rows = await connection.fetch(_UNCONFIRMED, created_before, limit)
    return [msgspec.convert(dict(row), TopUp) for row in rows]


_HISTORY = """
SELECT coalesce(bool_or(prompt_open), false) AS open_prompt,
       max(created_at) FILTER (WHERE push_state <> 'rejected') AS last_at,
       max(created_at) FILTER (WHERE push_state <> 'rejected' AND amount_minor = $3) AS same_amount_at,
       count(*) FILTER (WHERE push_state <> 'rejected' AND status <> 'succeeded' AND created_at >= $4) AS unpaid
FROM topups WHERE mode = $1 AND phone_e164 = $2 AND (prompt_open OR created_at >= $4 - interval '2 minutes')
"""

_ADD = f"""
INSERT INTO topups (id, workspace_id, mode, channel, status, amount_minor, phone_e164, reference, push_state,
                    push_due_at, prompt_open, created_at)
VALUES ($1, $2, $3, 'stk', 'pending', $4, $5, $6, 'queued', $7, true, $7) RETURNING {_NAMES}
"""

_ADD_PAYBILL = f"""
INSERT INTO topups (id, workspace_id, mode, channel, status, amount_minor, reference, receipt, created_at, completed_at)
VALUES ($1, $2, $3, 'paybill', 'succeeded', $4, $5, $6, $7, $7) RETURNING {_NAMES}
"""

_FIND = f"SELECT {_NAMES} FROM topups WHERE id = $1 AND workspace_id = $2 AND mode = $3"

_NEWEST = f"""
SELECT {_NAMES} FROM topups WHERE workspace_id = $1 AND mode = $2 AND ($3::uuid IS NULL OR id < $3)
  AND ($4::text IS NULL OR status::text = $4)
  AND ($5::timestamptz IS NULL OR created_at >= $5)
  AND ($6::timestamptz IS NULL OR created_at < $6)
ORDER BY id DESC LIMIT $7
"""

_BY_ID = f"SELECT {_NAMES} FROM topups WHERE id = $1 AND mode = $2"

_BY_REFERENCE = f"SELECT {_NAMES} FROM topups WHERE reference = $1 AND mode = $2 AND channel = 'stk'"

_SUCCEED = """
UPDATE topups SET status = 'succeeded', receipt = coalesce($2, receipt), late = $3, failure_code = NULL,
                  prompt_open = false, completed_at = $4, next_check_at = NULL
WHERE id = $1
"""

_FAIL = """
UPDATE topups SET status = 'failed', failure_code = $2, prompt_open = false, completed_at = $3, next_check_at = NULL
WHERE id = $1
"""

_CHECKOUT_OF_ANOTHER = (
    "SELECT EXISTS (SELECT FROM topups WHERE mode = $2 AND checkout_request_id = $3 AND id <> $1)"
)

_LEARN_CHECKOUT = """
UPDATE topups SET checkout_request_id = $2, next_check_at = coalesce(next_check_at, push_due_at)
WHERE id = $1 AND checkout_request_id IS NULL
"""

_CHECK_SOON = """
UPDATE topups SET next_check_at = least(next_check_at, $2)
WHERE id = $1 AND status = 'pending' AND checkout_request_id IS NOT NULL
"""

_RELEASE_PROMPTS = """
UPDATE topups SET prompt_open = false WHERE prompt_open AND push_state IN ('accepted', 'unknown') AND pushed_at < $1
RETURNING id
"""

_UNCONFIRMED = f"""
SELECT {_NAMES} FROM topups t
WHERE status = 'pending' AND created_at <= $1 AND push_state IN ('accepted', 'unknown')
  AND EXISTS (SELECT FROM mpesa_pulls p WHERE p.mode = t.mode AND p.covered_from <= t.created_at
              AND p.covered_until >= t.created_at + interval '48 hours')
ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
