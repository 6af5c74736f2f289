"""Who a workspace's mail goes to."""

from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection


class Owners(msgspec.Struct, frozen=True):
    workspace: str  # its name
    addresses: tuple[str, ...]


async def owners_of(connection: Connection, workspace_id: UUID) -> Owners:
    rows = await connection.fetch(_OWNERS, workspace_id)
    return Owners(rows[0]["name"] if rows else "", tuple(row["email"] for row in rows if row["email"]))


_OWNERS = """
SELECT w.name, u.email FROM workspaces w
LEFT JOIN members m ON m.workspace_id = w.id AND m.role = 'owner'
LEFT JOIN users u ON u.id = m.user_id
WHERE w.id = $1 ORDER BY u.email
"""
