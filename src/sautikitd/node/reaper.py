"""Ends the calls of dead nodes: in the database, by anybody; at the carrier, by a voice node."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import structlog

from sautikitd.calls import leases, queue
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

_EVERY_S = 1.0
_CARRIER_FORGETS_AFTER = timedelta(hours=4)


class CarrierLegs(Protocol):
    async def end_detached(self, stored: dict[str, Any]) -> int | None: ...


class Reaper:
    """`legs` is the engine of a voice node; without one only the records are ended."""

    def __init__(
        self, database: Database, lifecycle: CallLifecycle, clock: Clock, legs: CarrierLegs | None = None
    ) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._clock = clock
        self._legs = legs
        self._ending: dict[UUID, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Once a second, until cancelled."""
        while True:
            try:
                await self.reap()
            except DatabaseUnavailable as exc:
                log.warning("reaper.waits", error=repr(exc))
            await self._clock.sleep(_EVERY_S)

    async def reap(self) -> None:
        """Ends what is over: calls of lapsed nodes, queued calls that expired, legs the carrier still has."""
        async with self._database.connection() as connection:
            lapsed = await leases.lapsed(connection, self._clock.now())
        for node_id in lapsed:
            await self._reap_node(node_id)
        async with self._database.transaction() as connection:
            await queue.cancel_expired(connection, self._lifecycle, self._clock.now())
        if self._legs:
            await self._end_orphans(self._legs)

    async def _reap_node(self, node_id: UUID) -> None:
        while True:
            async with self._database.transaction() as connection:
                reaped = await leases.reap(connection, self._lifecycle, node_id, self._clock.now())
            if not reaped:
                return
            log.warning("reaper.node_lost", node_id=str(node_id), calls=len(reaped))

    async def _end_orphans(self, legs: CarrierLegs) -> None:
        async with self._database.transaction() as connection:
            since = self._clock.now() - _CARRIER_FORGETS_AFTER
            orphans = await leases.orphan_dialogs(connection, since)
        for call_id, dialog in orphans:
            if call_id not in self._ending:
                task = asyncio.ensure_future(self._end_orphan(legs, call_id, dialog))
                self._ending[call_id] = task
                task.add_done_callback(partial(self._ended, call_id))

    def _ended(self, call_id: UUID, _: asyncio.Task[None]) -> None:
        del self._ending[call_id]

    async def _end_orphan(self, legs: CarrierLegs, call_id: UUID, dialog: dict[str, Any]) -> None:
        code = await legs.end_detached(dialog)
        log.info("reaper.carrier_leg_ended", call_id=str(call_id), status=code)
        if code is None:
            return  # nobody answered: tried again
        async with self._database.transaction() as connection:
            await leases.forget_dialog(connection, call_id)
