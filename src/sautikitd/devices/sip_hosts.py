"""The hosts whose SIP addresses a workspace may dial, opened by staff (contract §12, Destinations)."""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.events.models import Mode
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor

MOST = 100
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]{2,39}")


async def hosts_of(connection: Connection, workspace_id: UUID, mode: Mode) -> list[str]:
    """Sorted, lower case."""
    rows = await connection.fetch(_OF, workspace_id, mode)
    return [row["host"] for row in rows]


async def is_allowed(connection: Connection, workspace_id: UUID, mode: Mode, host: str) -> bool:
    allowed: bool = await connection.fetchval(_IS_ALLOWED, workspace_id, mode, host.lower())
    return allowed


async def change_hosts(
    connection: Connection,
    workspace_id: UUID,
    mode: Mode,
    *,
    allowed: Sequence[str],
    removed: Sequence[str],
    actor: Actor,
    now: datetime,
) -> list[str]:
    """The hosts allowed from now on. Allowing one that is allowed, or removing one that is not, changes nothing.

    Raises `Invalid` for what is no host name or address, and for too many. Inside a transaction.
    """
    allowed, removed = [one.strip().lower() for one in allowed], [one.strip().lower() for one in removed]
    problems = [
        FieldProblem(f"/allow/{place}", "a host name or an IP address, without port, like pbx.example.co.ke")
        for place, host in enumerate(allowed)
        if not _HOST.fullmatch(host)
    ]
    if problems:
        raise Invalid(fields=problems)
    await connection.execute(_REMOVE, workspace_id, mode, removed)
    await connection.execute(_ALLOW, workspace_id, mode, allowed, now)
    hosts = await hosts_of(connection, workspace_id, mode)
    if len(hosts) > MOST:
        raise Invalid(fields=[FieldProblem("/allow", f"more than {MOST} hosts in all")])
    if allowed or removed:
        detail = {"mode": mode, "allowed": ",".join(allowed), "removed": ",".join(removed)}
        await audit.record(connection, actor, "workspace.sip_hosts", str(workspace_id), detail, now=now)
    return hosts


_OF = "SELECT host FROM sip_hosts WHERE workspace_id = $1 AND mode = $2 ORDER BY host"

_IS_ALLOWED = "SELECT EXISTS (SELECT FROM sip_hosts WHERE workspace_id = $1 AND mode = $2 AND host = $3)"

_REMOVE = "DELETE FROM sip_hosts WHERE workspace_id = $1 AND mode = $2 AND host = ANY ($3::text[])"

_ALLOW = """
INSERT INTO sip_hosts (workspace_id, mode, host, created_at) SELECT $1, $2, unnest($3::text[]), $4
ON CONFLICT DO NOTHING
"""
