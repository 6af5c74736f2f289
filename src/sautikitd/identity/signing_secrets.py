"""The signing secret of a workspace and mode: it signs callbacks, `events_url` and `webhook_url` deliveries (contract §2)."""

import base64
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.secretbox import SecretBox

OVERLAP = timedelta(hours=24)
_CACHED_SECONDS = 5.0
_REMEMBERED = 10_000


def new_secret() -> str:
    """`whsec_` and the base64 of 32 random bytes."""
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class SigningSecrets:
    """Sealed at rest. A rotation is seen by other processes within five seconds, and the old secret signs on for 24 hours."""

    def __init__(self, box: SecretBox, clock: Clock) -> None:
        self._box = box
        self._clock = clock
        self._cache: dict[tuple[UUID, Mode], tuple[float, tuple[str, ...]]] = {}

    async def valid(self, connection: Connection, workspace_id: UUID, mode: Mode) -> Sequence[str]:
        """The secrets to sign with: the current one first, then those still in their overlap, newest first."""
        asked_at = self._clock.monotonic()
        cached = self._cache.get((workspace_id, mode))
        if cached and asked_at - cached[0] < _CACHED_SECONDS:
            return cached[1]
        rows = await connection.fetch(_VALID, workspace_id, mode, self._clock.now())
        found = tuple(
            self._box.open(row["secret_encrypted"], context=_context(row["id"])).decode() for row in rows
        )
        if len(self._cache) >= _REMEMBERED:
            self._cache.clear()
        if found:
            self._cache[workspace_id, mode] = (asked_at, found)
        return found

    async def create(self, connection: Connection, workspace_id: UUID, mode: Mode, now: datetime) -> str:
        """Makes the first secret of a workspace and mode. The unique index refuses a second current one."""
        made, secret = uuid7(), new_secret()
        sealed = self._box.seal(secret.encode(), context=_context(made))
        await connection.execute(_INSERT, made, workspace_id, mode, sealed, now)
        return secret

    async def rotate(self, connection: Connection, workspace_id: UUID, mode: Mode, now: datetime) -> str:
        """Makes a new current secret; the one before is valid for 24 hours more. Inside a transaction."""
        await connection.execute("SELECT FROM workspaces WHERE id = $1 FOR UPDATE", workspace_id)
        await connection.execute(_RETIRE, workspace_id, mode, now + OVERLAP)
        self._cache.pop((workspace_id, mode), None)
        return await self.create(connection, workspace_id, mode, now)

    async def pass_days(
        self, connection: Connection, workspace_id: UUID, before: datetime, now: datetime
    ) -> None:
        """The clock of test mode was moved: an older secret, valid by the real clock, has so much less time left."""
        await connection.execute(_PASS, workspace_id, now - before)
        self._cache.pop((workspace_id, "test"), None)


def _context(secret_id: UUID) -> str:
    return f"signing secret {secret_id}"


_VALID = """
SELECT id, secret_encrypted FROM signing_secrets
WHERE workspace_id = $1 AND mode = $2 AND (valid_until IS NULL OR valid_until > $3)
ORDER BY valid_until IS NULL DESC, id DESC
"""

_RETIRE = """
UPDATE signing_secrets SET valid_until = $3 WHERE workspace_id = $1 AND mode = $2 AND valid_until IS NULL
"""

_PASS = """
UPDATE signing_secrets SET valid_until = valid_until - $2::interval
WHERE workspace_id = $1 AND mode = 'test' AND valid_until IS NOT NULL
"""

_INSERT = """
INSERT INTO signing_secrets (id, workspace_id, mode, secret_encrypted, created_at) VALUES ($1, $2, $3, $4, $5)
"""
