"""Keeps the trunks: registered where they want it, asked by OPTIONS how they are, and their state in the database."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.trunks.metrics import UP
from sautikitd.node.trunks.reader import TrunkReader
from sautikitd.node.trunks.registrations import TrunkRegistrations
from sautikitd.node.trunks.routes import Routes
from sautikitd.node.trunks.ways import RoutedTrunk
from sautikitd.trunks.models import Trunk, TrunkState
from sautikitd.trunks.service import Trunks
from sautikitd.voice.sip.registration import RegistrationStatus
from sautikitd.voice.sip.user_agent import Pong, UserAgent

log = structlog.get_logger(__name__)

_EVERY_S = 3.0
_ASK_EVERY_S = 30.0
_ASK_AGAIN_S = 6.0
"""How soon one that is down is asked again."""
_OPTIONS_PATIENCE_S = 4.0
_STOP_PATIENCE_S = 3.0
_SUSPECTED_S = 60.0
"""How long a trunk that left an INVITE unanswered comes last, if OPTIONS does not tell: registered or not asked."""
_SUSPICION_LASTS = timedelta(seconds=_SUSPECTED_S)


class TrunkWatch:
    """Knows each trunk's health by its registration, by OPTIONS, and by calls that nobody answered."""

    def __init__(
        self,
        node_id: UUID,
        agent: UserAgent,
        routes: Routes,
        trunks: Trunks,
        database: Database,
        clock: Clock,
    ) -> None:
        self._agent = agent
        self._routes = routes
        self._trunks = trunks
        self._database = database
        self._clock = clock
        self._read_anew = asyncio.Event()
        self._reader = TrunkReader(routes, trunks, database)
        self._registrations = TrunkRegistrations(node_id, agent, trunks, database, clock)
        self._asked_at: dict[UUID, float] = {}
        self._answered_at: dict[UUID, datetime] = {}
        self._pongs: dict[UUID, Pong | None] = {}
        self._suspected_at: dict[UUID, float] = {}
        self._told: dict[UUID, tuple[TrunkState, str]] = {}
        self._beside: set[asyncio.Task[None]] = set()

    async def refresh(self) -> None:
        """Reads the trunks, and our certificate if it was renewed. Raises one of `DatabaseUnavailable`."""
        self._reader.woken.clear()
        before = {one.trunk.name for one in self._routes.trunks}
        await self._reader.read()
        for gone in before - {one.trunk.name for one in self._routes.trunks}:
            with suppress(KeyError):  # never looked at
                UP.remove(gone)
        await self._routes.look_up()
        self._agent.trust(self._routes.authorities)
        try:
            if self._agent.renew_certificate():
                log.info("node.certificate_renewed")
        except OSError as exc:  # half of it written, perhaps
            log.warning("node.certificate_not_renewed", error=str(exc))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_reading())
            both.create_task(self._keep_looking())

    async def _keep_reading(self) -> None:
        """Apart from the looking, which waits for answers: a trunk that is changed meanwhile is known at once."""
        while True:
            try:
                await self.refresh()
                self._read_anew.set()
            except DatabaseUnavailable as exc:
                log.warning("node.trunks_stale", error=repr(exc))
            await self._pause()

    async def _keep_looking(self) -> None:
        while True:
            await self._read_anew.wait()
            self._read_anew.clear()
            try:
                await self._registrations.keep(list(self._routes.trunks))
                await asyncio.gather(*(self._look_at(one) for one in self._routes.trunks))
            except DatabaseUnavailable as exc:
                log.warning("node.trunk_states_wait", error=repr(exc))

    def wake(self) -> None:
        """Somebody changed a trunk."""
        self._reader.wake()

    async def current(self) -> None:
        """Returns once the routes know of every change that this node was woken for, which is mostly at once.

        Raises one of `DatabaseUnavailable`.
        """
        await self._reader.current()

    async def read(self) -> None:
        """Reads the trunks for a call over one that the routes do not know. Raises one of `DatabaseUnavailable`."""
        await self._reader.read()

    def suspect(self, trunk_id: UUID, why: str) -> None:
        """A call found nobody there: it comes last from now on, on every node, until it answers OPTIONS again."""
        self._suspected_at[trunk_id] = self._clock.monotonic()
        if self._told.get(trunk_id) != (TrunkState.FAILED, why):
            self._spawn(self._tell_suspicion(trunk_id, why))

    async def close(self) -> None:
        """Unregisters everywhere, which takes three seconds at most."""
        await self._registrations.close(_STOP_PATIENCE_S)
        for task in list(self._beside):
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def _pause(self) -> None:
        """Until it is time again, or a trunk was changed."""
        rings = [
            asyncio.ensure_future(self._clock.sleep(_EVERY_S)),
            asyncio.ensure_future(self._reader.woken.wait()),
        ]
        try:
            await asyncio.wait(rings, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for ring in rings:
                ring.cancel()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _look_at(self, one: RoutedTrunk) -> None:
        if one.trunk.register and self._registrations.state_of(one.trunk.id) is None:
            self._believe(one.trunk)
            return
        await self._ask(one)
        trunk, (state, detail) = one.trunk, self._state_of(one.trunk)
        UP.labels(trunk.name).set(state is not TrunkState.FAILED)
        answered_at = self._answered_at.get(trunk.id)
        outdated = trunk.state is not state and (
            trunk.state_at is None
            or (answered_at is not None and answered_at > trunk.state_at)
            or (self._alone_knows(trunk) and self._clock.now() - trunk.state_at > _SUSPICION_LASTS)
        )
        if outdated or self._told.get(trunk.id) != (state, detail):
            await self._tell(trunk.id, state, detail)

    def _alone_knows(self, trunk: Trunk) -> bool:
        """Whether no OPTIONS of another node could find it otherwise."""
        return trunk.register or not trunk.ping

    def _believe(self, trunk: Trunk) -> None:
        """Of a trunk that another node registers, that node says how it is."""
        UP.labels(trunk.name).set(trunk.state is not TrunkState.FAILED)
        self._told.pop(trunk.id, None)

    async def _tell_suspicion(self, trunk_id: UUID, why: str) -> None:
        try:
            await self._tell(trunk_id, TrunkState.FAILED, why)
        except DatabaseUnavailable as exc:
            log.warning("node.trunk_state_not_told", trunk_id=str(trunk_id), error=repr(exc))

    async def _tell(self, trunk_id: UUID, state: TrunkState, detail: str) -> None:
        async with self._database.connection() as connection:
            await self._trunks.set_state(connection, trunk_id, state, detail, self._clock.now())
        self._told[trunk_id] = (state, detail)

    async def _ask(self, one: RoutedTrunk) -> None:
        """OPTIONS, when it is time again."""
        trunk, now = one.trunk, self._clock.monotonic()
        if not trunk.ping:
            return
        pause = _ASK_AGAIN_S if trunk.state is TrunkState.FAILED else _ASK_EVERY_S
        if now - self._asked_at.get(trunk.id, -_ASK_EVERY_S) < pause:
            return
        self._asked_at[trunk.id] = now
        pong = await self._agent.ping(one.route.hop, _OPTIONS_PATIENCE_S)
        self._pongs[trunk.id] = pong
        if pong is not None:
            self._answered_at[trunk.id] = self._clock.now()
            if self._suspected_at.get(trunk.id, now) < now:
                del self._suspected_at[trunk.id]

    def _state_of(self, trunk: Trunk) -> tuple[TrunkState, str]:
        """Its state, and why. A registered trunk need not answer OPTIONS: not all do."""
        suspected_at = self._suspected_at.get(trunk.id)
        lately = suspected_at is not None and self._clock.monotonic() - suspected_at < _SUSPECTED_S
        if state := self._registrations.state_of(trunk.id):
            if state.status is not RegistrationStatus.REGISTERED:
                failed = state.status is RegistrationStatus.FAILED
                known = TrunkState.FAILED if failed else TrunkState.TRYING
                return known, f"registration: {state.code or ''} {state.reason}".strip()
            if lately:
                return TrunkState.FAILED, "registered, no answer to INVITE"
            return TrunkState.OK, "registered"
        if not trunk.ping:
            return (TrunkState.FAILED, "no answer to INVITE") if lately else (TrunkState.OK, "not asked")
        pong = self._pongs.get(trunk.id)
        if pong is None:
            return TrunkState.FAILED, "no answer to OPTIONS"
        if suspected_at is not None:
            return TrunkState.FAILED, "no answer to INVITE"
        return TrunkState.OK, f"answered OPTIONS with {pong.code}"
