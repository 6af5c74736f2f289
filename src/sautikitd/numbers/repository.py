"""SQL of numbers: the assignments of inventory to workspaces."""

from collections.abc import Set
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal
from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.wallet.prices import Charge


async def find(
    connection: Connection, principal: Principal, number_id: UUID, *, lock: bool = False
) -> NumberRecord | None:
    """A number of the principal's workspace and mode, released ones included; None where it may not see it."""
    if not principal.may_use_number(number_id):
        return None
    query = f"SELECT {_COLUMNS} FROM numbers WHERE id = $1 AND workspace_id = $2 AND mode = $3"
    place = (number_id, principal.workspace_id, principal.mode)
    return _number(await connection.fetchrow(query + (" FOR UPDATE" if lock else ""), *place))


async def get(connection: Connection, number_id: UUID) -> NumberRecord | None:
    """One assignment of a number, whoever asks."""
    return _number(await connection.fetchrow(f"SELECT {_COLUMNS} FROM numbers WHERE id = $1", number_id))


async def find_owned(
    connection: Connection, workspace_id: UUID, mode: Mode, e164: str
) -> NumberRecord | None:
    """The number a workspace has now, whatever its status but released, with its routing."""
    return _number(await connection.fetchrow(_FIND_OWNED, workspace_id, mode, e164))


def asked_owned(workspace_id: UUID, mode: Mode, e164: str) -> Question[NumberRecord]:
    """The same, to be asked with others."""
    return Question(sql=_FIND_OWNED, arguments=(workspace_id, mode, e164), kind=NumberRecord)


async def find_inbound(
    connection: Connection, mode: Mode, e164: str, workspace_id: UUID | None = None
) -> NumberRecord | None:
    """The number a call arrives at. Test numbers are shared, so in test mode `workspace_id` says whose is meant."""
    if mode == "test" and workspace_id is None:
        return None
    return _number(await connection.fetchrow(_FIND_INBOUND, mode, e164, workspace_id))


async def newest(
    connection: Connection,
    principal: Principal,
    *,
    status: NumberStatus | None,
    after: UUID | None,
    limit: int,
) -> list[NumberRecord]:
    """The numbers the principal may see, newest first; without `status` all that are not released."""
    visible: Set[UUID] | None = principal.number_ids
    rows = await connection.fetch(
        _NEWEST,
        principal.workspace_id,
        principal.mode,
        status,
        None if visible is None else list(visible),
        after,
        limit,
    )
    return [msgspec.convert(dict(row), NumberRecord) for row in rows]


async def insert(connection: Connection, number: NumberRecord) -> bool:
    """False when somebody has the number already (the unique indexes tell, whoever was first)."""
    fields = msgspec.structs.asdict(number)
    places = ", ".join(f"${place}" for place in range(1, len(fields) + 1))
    made = await connection.execute(
        f"INSERT INTO numbers ({', '.join(fields)}) VALUES ({places}) ON CONFLICT DO NOTHING",
        *fields.values(),
    )
    return bool(made == "INSERT 0 1")


async def change_routing(
    connection: Connection, number_id: UUID, changes: dict[str, Any], now: datetime
) -> NumberRecord:
    """`changes` are columns of routing (fields of `requests.Routing`, so never a client's own words)."""
    sets = ", ".join(f"{column} = ${place}" for place, column in enumerate(changes, start=3))
    query = (
        f"UPDATE numbers SET updated_at = $2{', ' if sets else ''}{sets} WHERE id = $1 RETURNING {_COLUMNS}"
    )
    row = await connection.fetchrow(query, number_id, now, *changes.values())
    return msgspec.convert(dict(row), NumberRecord)


async def release(connection: Connection, number_id: UUID, refund: Charge, now: datetime) -> NumberRecord:
    row = await connection.fetchrow(_RELEASE, number_id, now, refund.net, refund.vat)
    return msgspec.convert(dict(row), NumberRecord)


def _number(row: Record | None) -> NumberRecord | None:
    return None if row is None else msgspec.convert(dict(row), NumberRecord)


_COLUMNS = ", ".join(NumberRecord.__struct_fields__)

_FIND_OWNED = f"""
SELECT {_COLUMNS} FROM numbers WHERE workspace_id = $1 AND mode = $2 AND e164 = $3 AND released_at IS NULL
"""

_FIND_INBOUND = f"""
SELECT {_COLUMNS} FROM numbers
WHERE mode = $1 AND e164 = $2 AND released_at IS NULL AND ($3::uuid IS NULL OR workspace_id = $3)
"""

_NEWEST = f"""
SELECT {_COLUMNS} FROM numbers
WHERE workspace_id = $1 AND mode = $2
  AND CASE WHEN $3::text IS NULL THEN released_at IS NULL ELSE status = $3 END
  AND ($4::uuid[] IS NULL OR id = ANY($4)) AND ($5::uuid IS NULL OR id < $5)
ORDER BY id DESC LIMIT $6
"""

_RELEASE = f"""
UPDATE numbers SET status = 'released', released_at = $2, refund_net_minor = $3, refund_vat_minor = $4, updated_at = $2,
  due_minor = 0
WHERE id = $1 RETURNING {_COLUMNS}
"""
