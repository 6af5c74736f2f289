"""The next trunk for a leg whose trunk failed: chosen and stored in one transaction, then dialled."""

from dataclasses import dataclass
from typing import Any

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.calls.rerouting import prepare_anew, reroute
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.trunks.metrics import FAILED
from sautikitd.node.trunks.routes import Routes
from sautikitd.node.trunks.watch import TrunkWatch
from sautikitd.voice.engine import Route, VoiceEngine
from sautikitd.voice.rerouting import WayFailed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Failover:
    """One for the node. `watch` hears of trunks that nobody answers at; `patience_s` is how long one may be silent
    while another could be tried."""

    database: Database
    engine: VoiceEngine
    routes: Routes
    clock: Clock
    patience_s: float
    watch: TrunkWatch

    def ways_of(self, leg: CallRecord) -> "LegWays | None":
        """None for a leg that goes over no trunk: a test call's."""
        return LegWays(self, leg) if leg.trunk_id else None

    def prepare(self, leg: CallRecord) -> dict[str, Any] | None:
        """What a CANCEL from another process needs of the leg over its trunk; None when that is not known here."""
        route = self.routes.of(leg)
        if route is None:
            return None
        return self.engine.prepare(route, caller=leg.from_address, callee=leg.remote_e164)

    async def passable(self, leg: CallRecord) -> CallRecord:
        """The leg, ready to go over its trunk. One that the node did not know when the leg was entered was added a
        moment ago, and is read now; over one that is there no more the leg does not go, but over the next."""
        if leg.trunk_id is None or (leg.dialog is not None and self.routes.of(leg)):
            return leg
        return await self._known_now(leg) or await self.move(leg, "out of service") or leg

    async def _known_now(self, leg: CallRecord) -> CallRecord | None:
        try:
            await self.watch.read()
            async with self.database.transaction() as connection:
                return await prepare_anew(connection, leg.id, now=self.clock.now(), prepare=self.prepare)
        except DatabaseUnavailable as exc:
            log.warning("node.trunk_not_read", call_id=str(leg.id), error=repr(exc))
            return None

    async def move(self, leg: CallRecord, why: str, *, unheard: bool = False) -> CallRecord | None:
        """The leg over its next trunk, stored. A database that is away knows no other way."""
        try:
            async with self.database.transaction() as connection:
                moved = await reroute(
                    connection, leg.id, why, now=self.clock.now(), prepare=self.prepare, unheard=unheard
                )
        except DatabaseUnavailable as exc:
            log.warning("node.not_rerouted", call_id=str(leg.id), error=repr(exc))
            return None
        trunk = self.routes.trunk(leg.trunk_id)
        FAILED.labels(trunk.name if trunk else "unknown", "yes" if moved else "no").inc()
        log.warning(
            "node.trunk_failed",
            call_id=str(leg.id),
            trunk_id=str(leg.trunk_id),
            why=why,
            next_trunk_id=str(moved.trunk_id) if moved else None,
        )
        return moved


class LegWays:
    """The ways of one leg (`WayFinder`)."""

    def __init__(self, failover: Failover, leg: CallRecord) -> None:
        self._failover = failover
        self._leg = leg

    @property
    def patience_s(self) -> float:
        return self._failover.patience_s

    async def another(self, failed: WayFailed) -> tuple[dict[str, Any], Route] | None:
        if failed.unreachable and self._leg.trunk_id:
            self._failover.watch.suspect(self._leg.trunk_id, failed.why)
        moved = await self._failover.move(self._leg, failed.why, unheard=failed.unreachable)
        route = self._failover.routes.of(moved) if moved else None
        if moved is None or moved.dialog is None or route is None:
            return None
        self._leg = moved
        return moved.dialog, route
