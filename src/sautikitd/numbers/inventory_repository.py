"""SQL of inventory: the numbers the platform may give out."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal
from sautikitd.numbers.models import InventoryRecord

if TYPE_CHECKING:  # a request asks here whether a number is ours
    from sautikitd.numbers.requests import AvailableQuery


async def available(
    connection: Connection, principal: Principal, query: "AvailableQuery", *, after: UUID | None, limit: int
) -> list[InventoryRecord]:
    """What the principal's workspace could claim in its mode, newest first."""
    pattern = None if query.contains is None else f"%{query.contains.replace('*', '%')}%"
    filters = (query.country, query.type, query.area_code, pattern, query.capability)
    rows = await connection.fetch(_AVAILABLE, principal.workspace_id, principal.mode, *filters, after, limit)
    return [msgspec.convert(dict(row), InventoryRecord) for row in rows]


async def lock_by_e164(connection: Connection, mode: Mode, e164: str) -> InventoryRecord | None:
    return _row(await connection.fetchrow(f"{_SELECT} WHERE mode = $1 AND e164 = $2 FOR UPDATE", mode, e164))


async def lock_by_id(connection: Connection, mode: Mode, inventory_id: UUID) -> InventoryRecord | None:
    return _row(
        await connection.fetchrow(f"{_SELECT} WHERE mode = $1 AND id = $2 FOR UPDATE", mode, inventory_id)
    )


async def lock_any(
    connection: Connection, workspace_id: UUID, mode: Mode, area_code: str
) -> InventoryRecord | None:
    """A free number of the area that nobody is claiming at this moment."""
    return _row(await connection.fetchrow(_LOCK_ANY, workspace_id, mode, area_code))


async def assign(connection: Connection, inventory_id: UUID) -> None:
    await connection.execute("UPDATE inventory SET status = 'assigned' WHERE id = $1", inventory_id)


async def quarantine(connection: Connection, inventory_id: UUID, until: datetime | None) -> None:
    """Rests a number until then; None makes it available at once."""
    await connection.execute(_QUARANTINE, inventory_id, until)


async def end_quarantine(connection: Connection, now: datetime) -> int:
    returned: int = await connection.fetchval(_END_QUARANTINE, now)
    return returned


async def is_ours(connection: Connection, mode: Mode, e164: str) -> bool:
    ours: bool = await connection.fetchval(_IS_OURS, mode, e164)
    return ours


async def put(connection: Connection, rows: Sequence[InventoryRecord]) -> int:
    """Adds numbers, and updates price and locality of those already there. Returns how many were added."""
    added: int = await connection.fetchval(
        _PUT,
        [row.id for row in rows],
        [row.mode for row in rows],
        [row.e164 for row in rows],
        [row.type for row in rows],
        [row.area_code for row in rows],
        [row.locality for row in rows],
        [row.monthly_price_minor for row in rows],
    )
    return added


def _row(row: Record | None) -> InventoryRecord | None:
    return None if row is None else msgspec.convert(dict(row), InventoryRecord)


_COLUMNS = ", ".join(f"i.{column}" for column in InventoryRecord.__struct_fields__)
_SELECT = f"SELECT {_COLUMNS} FROM inventory i"

# Live rows belong to one workspace at a time, which their status tells; test rows are everybody's own.
_FREE = """i.mode = $2 AND i.status = 'available' AND NOT (i.mode = 'test' AND EXISTS (
    SELECT FROM numbers n
    WHERE n.mode = 'test' AND n.workspace_id = $1 AND n.e164 = i.e164 AND n.released_at IS NULL))"""

_AVAILABLE = f"""
{_SELECT} WHERE {_FREE}
  AND ($3::text IS NULL OR i.country = $3)
  AND ($4::text IS NULL OR i.type = $4)
  AND ($5::text IS NULL OR i.area_code = $5)
  AND ($6::text IS NULL OR i.e164 LIKE $6 OR '0' || substr(i.e164, 5) LIKE $6)
  AND ($7::text IS NULL OR $7 = ANY(i.capabilities))
  AND ($8::uuid IS NULL OR i.id < $8)
ORDER BY i.id DESC LIMIT $9
"""

_LOCK_ANY = f"""
{_SELECT} WHERE {_FREE} AND i.area_code = $3 ORDER BY i.id DESC LIMIT 1 FOR UPDATE OF i SKIP LOCKED
"""

_QUARANTINE = """
UPDATE inventory SET status = CASE WHEN $2::timestamptz IS NULL THEN 'available' ELSE 'quarantined' END,
  quarantined_until = $2
WHERE id = $1 AND status = 'assigned'
"""

_END_QUARANTINE = """
WITH back AS (
  UPDATE inventory SET status = 'available', quarantined_until = NULL
  WHERE status = 'quarantined' AND quarantined_until <= $1 RETURNING id)
SELECT count(*) FROM back
"""

_IS_OURS = "SELECT EXISTS (SELECT FROM inventory WHERE mode = $1 AND e164 = $2 AND status <> 'withdrawn')"

_PUT = """
WITH stored AS (
  INSERT INTO inventory (id, mode, e164, type, area_code, locality, monthly_price_minor)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
  ON CONFLICT (mode, e164) DO UPDATE SET
    locality = excluded.locality, monthly_price_minor = excluded.monthly_price_minor
  RETURNING xmax = 0 AS added)
SELECT count(*) FILTER (WHERE added) FROM stored
"""
