"""Ends the calls of dead nodes: in the database, by anybody; at the carrier, by a voice node."""

import asyncio
from functools import partial
from uuid import UUID

import structlog

from sautikitd.calls import leases, queue
from sautikitd.calls.leases import Orphan
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.trunks.routes import Routes
from sautikitd.rooms.sweeping import Sweeper
from sautikitd.supervision.service import Supervisions
from sautikitd.voice.engine import VoiceEngine

log = structlog.get_logger(__name__)

_EVERY_S = 1.0


class CarrierLegs:
    """Ends legs at carriers, with the credentials of their trunks."""

    def __init__(self, engine: VoiceEngine, routes: Routes) -> None:
        self._engine = engine
        self._routes = routes

    async def end(self, orphan: Orphan) -> int | None:
        """The status of the BYE or CANCEL; None when nobody answered it."""
        return await self._engine.end_detached(orphan.dialog, self._routes.credentials_of(orphan.trunk_id))


class Reaper:
    """`legs` is a voice node's; without it only the records are ended. `rooms` gives back seats and places in queues."""

    def __init__(
        self,
        database: Database,
        lifecycle: CallLifecycle,
        clock: Clock,
        legs: CarrierLegs | None = None,
        *,
        rooms: Sweeper | None = None,
        supervisions: Supervisions | None = None,
    ) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._clock = clock
        self._legs = legs
        self._sweeping = [one for one in (rooms, supervisions) if one]
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
        for sweeper in self._sweeping:
            async with self._database.transaction() as connection:
                await sweeper.sweep(connection, self._clock.now())
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
            await leases.forget_old_dialogs(connection, self._clock.now())
            orphans = await leases.orphan_dialogs(connection, self._clock.now())
        for orphan in orphans:
            if orphan.call_id not in self._ending:
                task = asyncio.ensure_future(self._end_orphan(legs, orphan))
                self._ending[orphan.call_id] = task
                task.add_done_callback(partial(self._ended, orphan.call_id))

    def _ended(self, call_id: UUID, _: asyncio.Task[None]) -> None:
        del self._ending[call_id]

    async def _end_orphan(self, legs: CarrierLegs, orphan: Orphan) -> None:
        code = await legs.end(orphan)
        log.info("reaper.carrier_leg_ended", call_id=str(orphan.call_id), status=code)
        if code is None:
            return  # nobody answered: tried again
        try:
            async with self._database.transaction() as connection:
                await leases.forget_dialog(connection, orphan.call_id)
        except DatabaseUnavailable as exc:
            log.warning("reaper.waits", error=repr(exc))
