"""Workspaces: the tenants. Making one makes all that belongs to it, in one transaction."""

import dataclasses
import re
import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.events.models import Mode
from sautikitd.identity import audit
from sautikitd.identity.account_reference import account_reference
from sautikitd.identity.audit import Actor
from sautikitd.identity.errors import WorkspaceNotFound
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.ids import uuid7

MODES: tuple[Mode, ...] = ("live", "test")
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>,;\"]{1,64}@[^@\s\x00-\x1f<>,;\"]{1,180}\.[^@\s.\x00-\x1f<>,;\"]{2,63}")


def is_email(text: str) -> bool:
    return _EMAIL.fullmatch(text) is not None


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    slug: str
    country: str
    currency: str
    mpesa_account_ref: str
    suspended_at: datetime | None
    created_at: datetime


class WalletOpener(Protocol):
    async def open_wallets(self, connection: Connection, workspace_id: UUID) -> None:
        """Opens the live and the test wallet of a new workspace."""
        ...


class SuspensionListener(Protocol):
    """What else stops with a workspace: the queue, live calls, inbound (contract §12, Privacy)."""

    async def suspended(self, connection: Connection, workspace_id: UUID, now: datetime) -> None: ...

    async def unsuspended(self, connection: Connection, workspace_id: UUID, now: datetime) -> None: ...


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a new workspace may do: calls started a second, and calls at once."""

    calls_per_second: float = 5.0
    max_concurrent_calls: int


_DEFAULT_LIMITS: dict[Mode, CallLimits] = {
    "live": CallLimits(max_concurrent_calls=50),
    "test": CallLimits(max_concurrent_calls=10),
}


class Workspaces:
    def __init__(
        self,
        wallets: WalletOpener,
        signing_secrets: SigningSecrets,
        *,
        limits: dict[Mode, CallLimits] | None = None,
        listeners: Sequence[SuspensionListener] = (),
    ) -> None:
        self._wallets = wallets
        self._signing_secrets = signing_secrets
        self._limits = {**_DEFAULT_LIMITS, **(limits or {})}
        self._listeners = listeners

    async def create(
        self, connection: Connection, name: str, owner_email: str, actor: Actor, now: datetime
    ) -> Workspace:
        """Makes a workspace with its owner, queues, wallets and signing secrets. Inside a transaction.

        Raises `Invalid` for an empty or overlong name (1 to 100 characters) or what is no e-mail address.
        """
        name, owner_email = _checked(name, owner_email)
        owner_id = await connection.fetchval(_FIND_OR_ADD_USER, uuid7(), owner_email, now)
        reference = account_reference(await connection.fetchval("SELECT nextval('mpesa_account_numbers')"))
        row = None
        slug = slug_of(name)
        while row is None:
            row = await connection.fetchrow(_ADD, uuid7(), name, slug, reference, now)
            slug = f"{slug_of(name)}-{secrets.token_hex(2)}"
        workspace = _workspace(row)
        await connection.execute(_ADD_MEMBER, workspace.id, owner_id, "owner", now)
        for mode in MODES:
            limits = self._limits[mode]
            queue = (limits.calls_per_second, limits.max_concurrent_calls, now)
            await connection.execute(_ADD_QUEUE, workspace.id, mode, *queue)
            await self._signing_secrets.create(connection, workspace.id, mode, now)
        await self._wallets.open_wallets(connection, workspace.id)
        await _record(connection, actor, "workspace.create", workspace.id, {"name": name}, now)
        return workspace

    async def find(self, connection: Connection, workspace_id: UUID) -> Workspace:
        """Raises `WorkspaceNotFound`."""
        row = await connection.fetchrow(_FIND, workspace_id)
        if row is None:
            raise WorkspaceNotFound
        return _workspace(row)

    async def newest(self, connection: Connection) -> list[Workspace]:
        return [_workspace(row) for row in await connection.fetch(_ALL)]

    async def destination_prefixes(
        self, connection: Connection, workspace_id: UUID, mode: Mode
    ) -> Sequence[str]:
        """Leading digits of the numbers this workspace may call, without `+`: `['254']` until opened further."""
        found: Sequence[str] | None = await connection.fetchval(_PREFIXES, workspace_id, mode)
        return found or ()

    async def set_limits(
        self,
        connection: Connection,
        workspace_id: UUID,
        mode: Mode,
        limits: CallLimits,
        actor: Actor,
        now: datetime,
    ) -> None:
        """What the workspace may do from now on; calls that run go on. Inside a transaction."""
        await self.find(connection, workspace_id)
        values = (limits.calls_per_second, limits.max_concurrent_calls)
        await connection.execute(_SET_LIMITS, workspace_id, mode, *values)
        detail = {"mode": mode, "calls_per_second": f"{values[0]:g}", "max_concurrent_calls": str(values[1])}
        await _record(connection, actor, "workspace.limits", workspace_id, detail, now)

    async def suspend(
        self, connection: Connection, workspace_id: UUID, reason: str, actor: Actor, now: datetime
    ) -> Workspace:
        """From now on every mutation answers 403 and all calls stop; doing it twice changes nothing. Inside a transaction."""
        row = await connection.fetchrow(_SUSPEND, workspace_id, now, reason)
        if row is None:
            return await self.find(connection, workspace_id)
        for listener in self._listeners:
            await listener.suspended(connection, workspace_id, now)
        await _record(connection, actor, "workspace.suspend", workspace_id, {"reason": reason}, now)
        return _workspace(row)

    async def unsuspend(
        self, connection: Connection, workspace_id: UUID, actor: Actor, now: datetime
    ) -> Workspace:
        """Lifts a suspension; without one it changes nothing. Inside a transaction."""
        row = await connection.fetchrow(_UNSUSPEND, workspace_id)
        if row is None:
            return await self.find(connection, workspace_id)
        for listener in self._listeners:
            await listener.unsuspended(connection, workspace_id, now)
        await _record(connection, actor, "workspace.unsuspend", workspace_id, {}, now)
        return _workspace(row)


async def _record(
    connection: Connection,
    actor: Actor,
    action: str,
    workspace_id: UUID,
    detail: dict[str, str],
    now: datetime,
) -> None:
    actor = dataclasses.replace(actor, workspace_id=workspace_id)
    await audit.record(connection, actor, action, str(workspace_id), detail, now=now)


def slug_of(name: str) -> str:
    """`Duka la Mama Ānn!` becomes `duka-la-mama-ann`; at most 40 characters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "workspace"


def _checked(name: str, owner_email: str) -> tuple[str, str]:
    name, owner_email = " ".join(name.split()), owner_email.strip()
    problems = []
    if not 1 <= len(name) <= 100 or not name.isprintable():
        problems.append(FieldProblem("/name", "1 to 100 printable characters"))
    if not _EMAIL.fullmatch(owner_email):
        problems.append(FieldProblem("/owner", "not an e-mail address"))
    if problems:
        raise Invalid(fields=problems)
    return name, owner_email


def _workspace(row: Record) -> Workspace:
    return Workspace(**dict(row))


_COLUMNS = "id, name, slug, country, currency, mpesa_account_ref, suspended_at, created_at"

# The update that changes nothing makes the statement return the id of a user who is already there.
_FIND_OR_ADD_USER = """
INSERT INTO users (id, email, created_at) VALUES ($1, $2, $3)
ON CONFLICT (lower(email)) DO UPDATE SET email = users.email RETURNING id
"""

_ADD = f"""
INSERT INTO workspaces (id, name, slug, mpesa_account_ref, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (slug) DO NOTHING RETURNING {_COLUMNS}
"""

_ADD_MEMBER = "INSERT INTO members (workspace_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)"

_ADD_QUEUE = """
INSERT INTO call_queues (workspace_id, mode, calls_per_second, max_concurrent_calls, tokens_at)
VALUES ($1, $2, $3, $4, $5)
"""

_FIND = f"SELECT {_COLUMNS} FROM workspaces WHERE id = $1"

_ALL = f"SELECT {_COLUMNS} FROM workspaces ORDER BY id DESC"

_PREFIXES = "SELECT destination_prefixes FROM call_queues WHERE workspace_id = $1 AND mode = $2"

_SET_LIMITS = """
UPDATE call_queues SET calls_per_second = $3, max_concurrent_calls = $4 WHERE workspace_id = $1 AND mode = $2
"""

_SUSPEND = f"""
UPDATE workspaces SET suspended_at = $2, suspension_reason = $3
WHERE id = $1 AND suspended_at IS NULL RETURNING {_COLUMNS}
"""

_UNSUSPEND = f"""
UPDATE workspaces SET suspended_at = NULL, suspension_reason = NULL
WHERE id = $1 AND suspended_at IS NOT NULL RETURNING {_COLUMNS}
"""
