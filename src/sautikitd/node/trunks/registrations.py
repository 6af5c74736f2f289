"""Trunks that want it are registered by one voice node; when that dies another takes over within seconds.

Who registers is a lease in the trunk's row. Two nodes registered with one account would both be rung for a call, or throw
each other out, as the carrier likes.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.trunks.ways import RoutedTrunk
from sautikitd.trunks.service import Trunks
from sautikitd.voice.sip.address import sip_uri
from sautikitd.voice.sip.registration import Registration, RegistrationState
from sautikitd.voice.sip.user_agent import UserAgent

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=10)
"""Renewed every three: a dead node's trunks are another's after 10 to 13 s."""


class TrunkRegistrations:
    """Of this node. `keep` renews what it has and takes what nobody has."""

    def __init__(
        self, node_id: UUID, agent: UserAgent, trunks: Trunks, database: Database, clock: Clock
    ) -> None:
        self._node_id = node_id
        self._agent = agent
        self._trunks = trunks
        self._database = database
        self._clock = clock
        self._kept: dict[UUID, tuple[RoutedTrunk, Registration]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    def state_of(self, trunk_id: UUID) -> RegistrationState | None:
        """None for a trunk that another node registers, or that wants none."""
        found = self._kept.get(trunk_id)
        return found[1].state if found else None

    async def keep(self, routed: list[RoutedTrunk]) -> None:
        """Raises one of `DatabaseUnavailable`, and then all stays as it was: nobody else can take over either."""
        if self._closed:
            return
        wanted = {one.trunk.id: one for one in routed if one.trunk.register}
        ours = set[UUID]()
        if wanted:
            now = self._clock.now()
            async with self._database.connection() as connection:
                ours = await self._trunks.lease_registrations(
                    connection, list(wanted), self._node_id, now, now + LEASE
                )
        for trunk_id, (known, registration) in list(self._kept.items()):
            if trunk_id not in ours or wanted[trunk_id].route != known.route:
                del self._kept[trunk_id]
                self._spawn(registration.stop())
        for trunk_id in ours - self._kept.keys():
            log.info("node.trunk_registering", trunk=wanted[trunk_id].trunk.name)
            self._kept[trunk_id] = (wanted[trunk_id], self._register(wanted[trunk_id]))

    async def close(self, patience_s: float) -> None:
        """Unregisters everywhere, then lets others have them."""
        self._closed = True
        for _, registration in self._kept.values():
            self._spawn(registration.stop())
        self._kept.clear()
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=patience_s)
        for task in list(self._stopping):
            task.cancel()
        await asyncio.gather(*self._stopping, return_exceptions=True)
        try:
            async with self._database.connection() as connection:
                await self._trunks.release_registrations(connection, self._node_id)
        except DatabaseUnavailable as exc:
            log.warning("node.registrations_lapse", error=repr(exc))

    def _register(self, one: RoutedTrunk) -> Registration:
        trunk = one.trunk
        registration = Registration(
            self._agent,
            registrar=sip_uri("", trunk.host, trunk.port),
            hop=one.route.hop,
            identity=sip_uri(trunk.from_user or trunk.username or "", trunk.from_domain or trunk.host),
            credentials=one.route.credentials,
        )
        registration.start()
        return registration

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
