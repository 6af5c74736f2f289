"""asyncpg's connection, made for being lent: with its statements at hand, and nothing said to the server between two uses."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError


class KeptConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is untyped
    """A pooled connection that is handed on as it is.

    asyncpg would send `RESET ALL; UNLISTEN *; …` after every use: a second round trip for a read of one row.
    Nothing of ours leaves state in a session: settings and locks are a transaction's, LISTEN has connections of
    its own. A transaction left open is still rolled back.
    """

    def get_reset_query(self) -> str:
        return ""

    async def _execute(
        self, query: str, args: Sequence[Any], limit: int, timeout: float | None, **options: Any
    ) -> Any:
        """Where asyncpg's `execute`, `fetch`, `fetchrow` and `fetchval` meet, with arguments or not.

        A statement that the connection has prepared goes straight onto the wire. asyncpg's own way there is through
        four coroutines, which measure the time of each other: a fifth of what a small statement costs us in all.
        """
        known = None if timeout is not None or self._query_loggers else self._prepared(query, options)
        if known is None:
            return await super()._execute(query, args, limit, timeout, **options)
        try:
            return await self._protocol.bind_execute(
                known, args, "", limit, options.get("return_status", False), None
            )
        except OutdatedSchemaCacheError:
            await self.reload_schema_state()
            raise
        except InvalidCachedStatementError:  # a table has changed since: prepared anew, as asyncpg does
            self._drop_global_statement_cache()
            if self._protocol.is_in_transaction():
                raise
            return await super()._execute(query, args, limit, timeout, **options)

    def _prepared(self, query: str, options: dict[str, Any]) -> Any:
        """asyncpg's state of a statement that has been prepared here."""
        kind = options.get("record_class") or self._protocol.get_record_class()
        return self._stmt_cache.get((query, kind, options.get("ignore_custom_codec", False)))
