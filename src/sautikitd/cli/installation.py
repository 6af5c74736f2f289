"""The installation a command works on: its database, started for the command where nothing runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sautikitd.app import Platform, open_platform
from sautikitd.database.access import APPLICATION_ROLE, application_url
from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.settings import Settings
from sautikitd.supervisor.folder import FolderLock, FolderTaken
from sautikitd.supervisor.postgres import GuardedPostgres


class DatabaseNotRunning(Exception):
    """There is no database in the data folder yet."""


@dataclass(frozen=True)
class DatabaseUrls:
    """`owner` for migrations, `application` for everything else."""

    owner: str
    application: str


@asynccontextmanager
async def database_urls(settings: Settings) -> AsyncIterator[DatabaseUrls]:
    """The URLs of the database, which runs while the block does.

    With `sautikitd serve` running in this data folder its PostgreSQL is used; else ours is started
    and stopped again. Raises `DatabaseNotRunning` where there is none.
    """
    if settings.database_url:
        yield DatabaseUrls(settings.database_url, application_url(settings.database_url))
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
        yield _urls_of(EmbeddedPostgres(settings.database_folder))
        return
    postgres = GuardedPostgres(settings.database_folder)
    try:
        await postgres.start()
        yield _urls_of(postgres.server)
    finally:
        await postgres.stop()
        lock.release()


@asynccontextmanager
async def installation(settings: Settings) -> AsyncIterator[Platform]:
    """Every room of the installation, for as long as the block runs."""
    async with (
        database_urls(settings) as urls,
        open_platform(settings, "command", url=urls.application, connections=3) as platform,
    ):
        yield platform


def _urls_of(server: EmbeddedPostgres) -> DatabaseUrls:
    return DatabaseUrls(server.url("sautikit_owner"), server.url(APPLICATION_ROLE))
