"""The demonstration's workspace: made once, found again by a file in the data folder."""

import os
from pathlib import Path
from uuid import UUID

import msgspec

from sautikitd.app import Platform
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.settings import Settings

NAME = "Demonstration"
OWNER = "owner@demonstration.invalid"


class Seed(msgspec.Struct, frozen=True):
    """A test workspace and a test key of it. The key is kept in the clear: it moves no money and rings no phone."""

    workspace_id: UUID
    key: str


def seed_file(settings: Settings) -> Path:
    return settings.data_dir / "demonstration.json"


async def seed(platform: Platform) -> Seed:
    """The workspace and key of an earlier start, or new ones."""
    file = seed_file(platform.settings)
    if file.exists():
        found = msgspec.json.decode(file.read_bytes(), type=Seed)
        if await _still_there(platform, found):
            return found
    made = await _make(platform)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(msgspec.json.encode(made))
    return made


async def _still_there(platform: Platform, found: Seed) -> bool:
    """The database may be another one than when the file was written."""
    async with platform.database.connection() as connection:
        known: bool = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM api_keys WHERE workspace_id = $1 AND key_hash = $2 AND revoked_at IS NULL)",
            found.workspace_id,
            platform.api_keys.hash(found.key),
        )
        return known


async def _make(platform: Platform) -> Seed:
    async with platform.database.transaction() as connection:
        now = platform.clock.now()
        workspace = await platform.workspaces.create(connection, NAME, OWNER, OPERATOR, now)
        new = NewKey(workspace_id=workspace.id, mode="test", name="make run", scopes=frozenset({"*"}))
        made = await platform.api_keys.create(connection, new, OPERATOR, now)
    return Seed(workspace.id, made.key)
