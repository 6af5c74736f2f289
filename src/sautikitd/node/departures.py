"""Ended legs whose BYE or CANCEL is still on its way: kept in the books until it is answered or given up.

A process that dies in between cannot repeat a message that was lost, and the far end would keep its call up. Whoever
reaps the node finds what to send in the row of the call.
"""

import asyncio
from typing import Any, Protocol
from uuid import UUID

import structlog

from sautikitd.calls import leases
from sautikitd.database.pool import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

_EVERY_S = 0.1
_AFTER_OUTAGE_S = 2.0


class Departing(Protocol):
    """An ended leg. It always comes to an end: SIP gives up after 64*T1."""

    @property
    def unfinished(self) -> dict[str, Any] | None: ...


class Departures:
    """Those of one node. What is in the row follows what is left to do, a tenth of a second behind."""

    def __init__(self, node_id: UUID, database: Database) -> None:
        self._node_id = node_id
        self._database = database
        self._legs: dict[UUID, tuple[Departing, dict[str, Any]]] = {}  # and what is in the row
        self._watching = asyncio.Event()

    @property
    def count(self) -> int:
        return len(self._legs)

    def watch(self, call_id: UUID, leg: Departing, stored: dict[str, Any]) -> None:
        """`stored` is what was committed with the end of the call."""
        self._legs[call_id] = leg, stored
        self._watching.set()

    async def run(self) -> None:
        """Until cancelled. What it has not written by then, a successor repeats for nothing, and is told 481."""
        while True:
            await self._watching.wait()
            await asyncio.sleep(_EVERY_S)
            try:
                await self._write_changes()
            except DatabaseUnavailable as exc:
                log.warning("node.departures_wait", count=self.count, error=repr(exc))
                await asyncio.sleep(_AFTER_OUTAGE_S)
            if not self._legs:
                self._watching.clear()

    async def _write_changes(self) -> None:
        now = {call_id: leg.unfinished for call_id, (leg, _) in self._legs.items()}
        changed = {call_id: left for call_id, left in now.items() if left != self._legs[call_id][1]}
        if not changed:
            return
        async with self._database.transaction() as connection:
            await leases.keep_unfinished(connection, self._node_id, changed)
        for call_id, left in changed.items():
            if left is None:
                del self._legs[call_id]
            else:
                self._legs[call_id] = self._legs[call_id][0], left
