"""A real PostgreSQL for every test that asks: one server a worker, one database a test, copied from a migrated template."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from one_worker import SharedScheduling
from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.database.migrate import migrate
from sautikitd.database.pool import Database

_TEMPLATE = "sautikit"


@pytest.hookimpl(optionalhook=True)  # none where xdist is not loaded
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedScheduling:
    return SharedScheduling(config, log)


class PostgresForTests:
    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server

    async def create(self) -> str:
        """Makes a database from the template; returns its name."""
        name = f"t_{uuid4().hex}"
        await self._owner(f'CREATE DATABASE "{name}" TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY')
        return name

    async def drop(self, name: str) -> None:
        await self._owner(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _owner(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.url("sautikit_owner", "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    """The server of this test worker. It runs in a loop of its own thread-free: started and stopped by pid."""
    folder = Path(tempfile.mkdtemp(prefix="sk-"))
    server = EmbeddedPostgres(folder / "pg", fast=True)
    runner = asyncio.Runner()
    try:
        runner.run(server.start())
        migrate(server.url("sautikit_owner"))
        yield PostgresForTests(server)
    finally:
        runner.run(server.stop())
        runner.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def database_name(postgres: PostgresForTests) -> AsyncIterator[str]:
    name = await postgres.create()
    yield name
    await postgres.drop(name)


@pytest.fixture
def database_url(postgres: PostgresForTests, database_name: str) -> str:
    """The URL of this test's database, as the application's role."""
    return postgres.server.url("sautikit_app", database_name)


@pytest.fixture
def owner_url(postgres: PostgresForTests, database_name: str) -> str:
    """The same database as its owner: for looking behind the application's back."""
    return postgres.server.url("sautikit_owner", database_name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, minimum=1, maximum=10)
    yield database
    await database.close()
