"""The connection pool: asyncpg with our codecs. Repositories take a `Connection`; services open transactions."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import msgspec

from sautikitd.database.changing import Change
from sautikitd.database.kept import KeptConnection
from sautikitd.database.lending import Lending

# asyncpg's own classes are generic only to type checkers, and a pooled connection is a proxy: any of them will do.
Connection: TypeAlias = Any
Record: TypeAlias = Any

# What a lost, restarting or crowded server looks like to a client, and a transaction that it gave up for another's sake.
# After any of these nothing was changed, or nobody knows, and it may be tried again.
DatabaseUnavailable = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection that dies while it is being cancelled raises
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
)


class Database:
    """A pool of connections. `jsonb` travels as Python values, `uuid` as `uuid.UUID`."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._lending = Lending(pool)

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str = "sautikitd",
        minimum: int = 1,
        maximum: int = 10,
        keep_plans: bool = False,
    ) -> "Database":
        """`keep_plans` is for a process whose statements all find their rows by keys: each is planned once a connection,
        and reads no table whole where an index serves, since it is planned for while there is little in them.

        Otherwise PostgreSQL plans a statement anew for every set of arrays it is given, which for the one that
        writes an event takes longer than to run it. Searches, whose best plan depends on what is asked, are worse off.
        """
        settings = {"application_name": name, "timezone": "UTC"}
        if keep_plans:
            settings |= {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
        pool = await asyncpg.create_pool(
            url,
            min_size=minimum,
            max_size=maximum,
            connection_class=KeptConnection,
            init=_prepare,
            command_timeout=30,
            timeout=10,
            server_settings=settings,
        )
        return cls(pool)

    async def close(self) -> None:
        await self._lending.close()
        await self.pool.close()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return self._lending.lend()

    def change(self) -> Change:
        """A transaction that ends in one round trip with what it writes last."""
        return Change(self._lending)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction, READ COMMITTED, committed when the block ends and rolled back when it raises."""
        async with self._lending.lend() as connection, connection.transaction():
            yield connection


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda data: msgspec.json.decode(data[1:]),
        format="binary",
    )
