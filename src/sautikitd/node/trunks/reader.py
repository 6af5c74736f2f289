"""The node's routes kept as the database has the trunks, so that a call placed after a change never goes by what was before."""

import asyncio

from sautikitd.database.pool import Database
from sautikitd.node.trunks.routes import Routes
from sautikitd.trunks.service import Trunks


class TrunkReader:
    """Told of changes by `wake`, which a notification calls; one that is lost costs the seconds until the next `read`."""

    def __init__(self, routes: Routes, trunks: Trunks, database: Database) -> None:
        self.woken = asyncio.Event()
        self._routes = routes
        self._trunks = trunks
        self._database = database
        self._reading = asyncio.Lock()  # or what was read first could be taken last
        self._changes = 1
        self._changes_read = 0

    def wake(self) -> None:
        """Somebody changed a trunk."""
        self._changes += 1
        self.woken.set()

    async def current(self) -> None:
        """Returns once the routes know all that was told of; that costs nothing when nothing was.

        Raises one of `DatabaseUnavailable`.
        """
        if self._changes_read != self._changes:
            async with self._reading:
                if self._changes_read != self._changes:
                    await self._take()

    async def read(self) -> None:
        """Reads the trunks, told of anything or not. Raises one of `DatabaseUnavailable`."""
        async with self._reading:
            await self._take()

    async def _take(self) -> None:
        changes = self._changes
        async with self._database.connection() as connection:
            stored = await self._trunks.enabled(connection)
        self._routes.take(stored)
        self._changes_read = changes
