"""Who a workspace's mail goes to."""

from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.mail.letters import PayTo


class Owners(msgspec.Struct, frozen=True):
    workspace: str  # its name
    account_ref: str  # what it is paid into by Paybill
    addresses: tuple[str, ...]

    def pay_to(self, paybill: str | None, mode: Mode) -> PayTo | None:
        """None where no real money is taken."""
        return PayTo(paybill, self.account_ref) if paybill and mode == "live" else None


async def owners_of(connection: Connection, workspace_id: UUID) -> Owners:
    rows = await connection.fetch(_OWNERS, workspace_id)
    if not rows:
        return Owners("", "", ())
    addresses = tuple(row["email"] for row in rows if row["email"])
    return Owners(rows[0]["name"], rows[0]["mpesa_account_ref"], addresses)


_OWNERS = """
SELECT w.name, w.mpesa_account_ref, u.email FROM workspaces w
LEFT JOIN members m ON m.workspace_id = w.id AND m.role = 'owner'
LEFT JOIN users u ON u.id = m.user_id
WHERE w.id = $1 ORDER BY u.email
"""
