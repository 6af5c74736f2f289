"""Brings a database to the newest schema. Migrations are SQL files under `migrations/sql/`, run by Alembic."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

_FOLDER = Path(__file__).parent / "migrations"


def configuration(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["url"] = "postgresql+psycopg" + url[len(urlsplit(url).scheme) :]
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Runs every migration up to `revision`. Two at once are safe: the second waits, then finds nothing to do."""
    command.upgrade(configuration(url), revision)


async def migrate_async(url: str) -> None:
    await asyncio.to_thread(migrate, url)


def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory(str(_FOLDER)).get_current_head()


def current(url: str) -> str | None:
    """The revision the database is at; None for an empty one."""
    engine = create_engine(configuration(url).attributes["url"])
    try:
        with engine.connect() as connection:
            if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
                return None
            revision: str | None = connection.execute(
                text("SELECT version_num FROM alembic_version")
            ).scalar()
            return revision
    finally:
        engine.dispose()
