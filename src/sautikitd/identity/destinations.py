"""Opening and closing destinations of a workspace, by staff: keys may only close (contract §12, Destinations)."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.events.models import Mode
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.errors import WorkspaceNotFound
from sautikitd.numbering.prefixes import country_of_prefix

MOST = 300


async def change_destinations(
    connection: Connection,
    workspace_id: UUID,
    mode: Mode,
    *,
    opened: Sequence[str],
    closed: Sequence[str],
    actor: Actor,
    now: datetime,
) -> list[str]:
    """The prefixes that are open from now on, sorted; calls that run or are queued go on. Inside a transaction.

    A country's code opens its geographic and mobile numbers, a longer prefix its other classes. Opening what is open
    changes nothing. Raises `WorkspaceNotFound`, `Invalid` for what is no prefix, or is to be closed and not open.
    """
    found: Sequence[str] | None = await connection.fetchval(_LOCK, workspace_id, mode)
    if found is None:
        raise WorkspaceNotFound
    opened, closed = [_digits(one) for one in opened], [_digits(one) for one in closed]
    problems = [
        FieldProblem(f"/open/{place}", "not digits that begin with a country's code, such as 256")
        for place, prefix in enumerate(opened)
        if country_of_prefix(prefix) is None
    ]
    problems += [
        FieldProblem(f"/close/{place}", "not one of the open prefixes, which close as they were opened")
        for place, prefix in enumerate(closed)
        if prefix not in found
    ]
    prefixes = sorted((set(found) | set(opened)) - set(closed))
    if len(prefixes) > MOST:
        problems.append(FieldProblem("/open", f"more than {MOST} prefixes in all"))
    if problems:
        raise Invalid(fields=problems)
    if prefixes != sorted(found):
        await connection.execute(_SET, workspace_id, mode, prefixes)
        detail = {"mode": mode, "opened": ",".join(opened), "closed": ",".join(closed)}
        actor = dataclasses.replace(actor, workspace_id=workspace_id)
        await audit.record(connection, actor, "workspace.destinations", str(workspace_id), detail, now=now)
    return prefixes


def _digits(prefix: str) -> str:
    return prefix.strip().removeprefix("+")


_LOCK = "SELECT destination_prefixes FROM call_queues WHERE workspace_id = $1 AND mode = $2 FOR UPDATE"

_SET = "UPDATE call_queues SET destination_prefixes = $3 WHERE workspace_id = $1 AND mode = $2"
