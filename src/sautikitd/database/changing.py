"""The transaction of one request: what is only to be written down goes with its commit, in one round trip."""

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import TypeAlias
from uuid import UUID

import asyncpg

from sautikitd.database.lending import Connection, Lending

Value: TypeAlias = str | bytes | int | UUID | datetime | None


class NotCommitted(Exception):
    """The database rolled a transaction back that it was asked to commit: an error in it had been passed over."""


class Change:
    """READ COMMITTED, committed when the block ends and rolled back when it raises. There are no savepoints in it."""

    def __init__(self, lending: Lending) -> None:
        self._lending = lending
        self._last: list[str] = []
        self._meanings: dict[str, type[Exception]] = {}

    def at_last(
        self, function: str, *arguments: Value, otherwise: Mapping[str, type[Exception]] | None = None
    ) -> None:
        """Calls a function of the database when the block has ended, just before the commit. What it raises comes
        out of the block, with nothing changed; `otherwise` says what some SQLSTATEs of it mean."""
        self._meanings |= otherwise or {}
        self._last.append(f"SELECT {function}({', '.join(map(literal, arguments))})")

    async def __aenter__(self) -> "Change":
        self.connection: Connection = await self._lending.take()
        try:
            await self.connection.execute("BEGIN")
        except BaseException:
            await self._lending.give(self.connection, well=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._commit()
        finally:
            await self._leave(well=kind is None)

    async def _commit(self) -> None:
        try:
            done = await self.connection.execute("; ".join([*self._last, "COMMIT"]))
        except asyncpg.PostgresError as error:
            meant = self._meanings.get(error.sqlstate or "")
            if meant is None:
                raise
            raise meant from error
        if done != "COMMIT":
            raise NotCommitted(NotCommitted.__doc__)

    async def _leave(self, *, well: bool) -> None:
        """Rolls back what is open, and gives the connection back; one that broke is left to the pool."""
        try:
            if not self.connection.is_closed() and self.connection.is_in_transaction():
                well = False
                await self.connection.execute("ROLLBACK")
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            well = False
        finally:
            await self._lending.give(self.connection, well=well)


def literal(value: Value) -> str:
    """SQL for a value, in hexadecimal where it is text or bytes: nothing in it can be taken for SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f"convert_from('\\x{value.encode().hex()}', 'UTF8')"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if isinstance(value, UUID):
        return f"'{value}'::uuid"
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'::timestamptz"
    return str(int(value))
