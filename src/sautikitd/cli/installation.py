"""The installation a command works on: its database, started for the command where nothing runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sautikitd.app import Platform, open_platform
from sautikitd.database.access import application_url
from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.settings import Settings
from sautikitd.supervisor.folder import FolderLock, FolderTaken
from sautikitd.supervisor.postgres import GuardedPostgres


class DatabaseNotRunning(Exception):
    """There is no database in the data folder yet."""


@asynccontextmanager
async def owner_url(settings: Settings) -> AsyncIterator[str]:
    """The URL of the database as its owner, while the block runs.

    With `sautikitd serve` running in this data folder its PostgreSQL is used; else ours is started
    and stopped again. Raises `DatabaseNotRunning` where there is none.
    """
    if settings.database_url:
        yield settings.database_url
        return
    if not (settings.database_folder / "cluster" / "PG_VERSION").exists():
        raise DatabaseNotRunning(
            f"There is no database in {settings.data_dir} yet. Start `sautikitd serve` once, "
            "or say where it is: --data-dir DIR, or DATABASE_URL for one of your own."
        )
    lock = FolderLock(settings.data_dir)
    try:
        lock.take()
    except FolderTaken:  # served: its PostgreSQL runs
        yield EmbeddedPostgres(settings.database_folder).url("sautikit_owner")
        return
    postgres = GuardedPostgres(settings.database_folder)
    try:
        await postgres.start()
        yield postgres.server.url("sautikit_owner")
    finally:
        await postgres.stop()
        lock.release()


@asynccontextmanager
async def installation(settings: Settings) -> AsyncIterator[Platform]:
    """Every room of the installation, for as long as the block runs."""
    async with (
        owner_url(settings) as url,
        open_platform(settings, "command", url=application_url(url), connections=3) as platform,
    ):
        yield platform
