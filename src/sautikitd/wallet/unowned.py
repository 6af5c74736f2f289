"""Money that is in nobody's wallet: moved between the platform's own accounts, under the cause kind `suspense`."""

from collections.abc import Sequence
from datetime import datetime

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.wallet.models import Details, LedgerAccount

_MOVE = """
WITH posted AS (
    INSERT INTO ledger_transactions (id, mode, cause_kind, cause_id, entry_count, description, reference, topup_id, created_at)
    VALUES ($1, $2, 'suspense', $3, cardinality($5::bigint[]), $6, $7, $8, $9)
    ON CONFLICT (cause_kind, cause_id) DO NOTHING
    RETURNING id
)
INSERT INTO ledger_entries (transaction_id, line, account, amount_minor)
SELECT posted.id, line, account, amount_minor
FROM posted, unnest($4::text[], $5::bigint[]) WITH ORDINALITY AS moved (account, amount_minor, line)
RETURNING line
"""


async def move_unowned(
    connection: Connection,
    mode: Mode,
    cause_id: str,
    movements: Sequence[tuple[LedgerAccount, int]],
    details: Details,
    at: datetime,
) -> bool:
    """Writes one transaction of `movements`, which add up to zero. False when this cause has moved money before."""
    rows = await connection.fetch(
        _MOVE,
        uuid7(),
        mode,
        cause_id,
        [account for account, _ in movements],
        [amount for _, amount in movements],
        details.description,
        details.reference,
        details.topup_id,
        at,
    )
    return bool(rows)
