"""Keeps the trunks: registered where they want it, asked by OPTIONS how they are, and their state in the database."""

import asyncio
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.routes import RoutedTrunk, Routes
from sautikitd.trunks.models import TrunkState
from sautikitd.trunks.service import Trunks
from sautikitd.voice.sip.address import sip_uri
from sautikitd.voice.sip.registration import Registration, RegistrationStatus
from sautikitd.voice.sip.user_agent import UserAgent

log = structlog.get_logger(__name__)

_EVERY_S = 3.0
_ASK_EVERY_S = 30.0


class TrunkWatch:
    def __init__(
        self, agent: UserAgent, routes: Routes, trunks: Trunks, database: Database, clock: Clock
    ) -> None:
        self._agent = agent
        self._routes = routes
        self._trunks = trunks
        self._database = database
        self._clock = clock
        self._registrations: dict[UUID, tuple[RoutedTrunk, Registration]] = {}
        self._asked_at: dict[UUID, float] = {}
        self._told: dict[UUID, tuple[str, str]] = {}

    async def refresh(self) -> None:
        """Reads the trunks. Raises one of `DatabaseUnavailable`."""
        async with self._database.connection() as connection:
            await self._routes.refresh(connection)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.refresh()
                await self._keep_registered()
                await asyncio.gather(*(self._look_at(one) for one in self._routes.trunks))
            except DatabaseUnavailable as exc:
                log.warning("node.trunks_stale", error=repr(exc))
            await self._clock.sleep(_EVERY_S)

    async def close(self) -> None:
        """Unregisters everywhere."""
        await asyncio.gather(*(registration.stop() for _, registration in self._registrations.values()))

    async def _keep_registered(self) -> None:
        wanted = {one.trunk.id: one for one in self._routes.trunks if one.trunk.register}
        for trunk_id, (known, registration) in list(self._registrations.items()):
            if trunk_id not in wanted or wanted[trunk_id].route != known.route:
                del self._registrations[trunk_id]
                await registration.stop()
        for trunk_id, one in wanted.items():
            if trunk_id not in self._registrations:
                self._registrations[trunk_id] = (one, self._register(one))

    def _register(self, one: RoutedTrunk) -> Registration:
        trunk = one.trunk
        registration = Registration(
            self._agent,
            registrar=sip_uri("", trunk.host, trunk.port),
            hop=one.route.hop,
            identity=sip_uri(trunk.username or "", trunk.host),
            credentials=one.route.credentials,
        )
        registration.start()
        return registration

    async def _look_at(self, one: RoutedTrunk) -> None:
        state, detail = await self._state_of(one)
        if state and self._told.get(one.trunk.id) != (state, detail):
            self._told[one.trunk.id] = (state, detail)
            async with self._database.connection() as connection:
                await self._trunks.set_state(
                    connection, one.trunk.id, TrunkState(state), detail, self._clock.now()
                )

    async def _state_of(self, one: RoutedTrunk) -> tuple[str, str]:
        """`ok`, `trying` or `failed`, and why; an empty state when it was asked a moment ago."""
        if registered := self._registrations.get(one.trunk.id):
            state = registered[1].state
            if state.status is RegistrationStatus.REGISTERED:
                return "ok", "registered"
            known = "failed" if state.status is RegistrationStatus.FAILED else "trying"
            return known, f"registration: {state.code or ''} {state.reason}".strip()
        now = self._clock.monotonic()
        if now - self._asked_at.get(one.trunk.id, -_ASK_EVERY_S) < _ASK_EVERY_S:
            return "", ""
        self._asked_at[one.trunk.id] = now
        pong = await self._agent.ping(one.route.hop)
        if pong is None:
            return "failed", "no answer to OPTIONS"
        return "ok", f"answered OPTIONS with {pong.code}"
