"""The node's lease: renewed every five seconds; a node that cannot hangs up before others may end its calls."""

from collections.abc import Callable
from uuid import UUID

import structlog

from sautikitd.calls import leases
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

_TRY_AGAIN_S = 0.5


class Lease:
    """`on_danger` is told once the lease could not be renewed for 15 s; `on_lapsed` when it is lost for good."""

    def __init__(
        self,
        node_id: UUID,
        database: Database,
        clock: Clock,
        *,
        on_danger: Callable[[], None],
        on_lapsed: Callable[[], None],
    ) -> None:
        self._node_id = node_id
        self._database = database
        self._clock = clock
        self._on_danger = on_danger
        self._on_lapsed = on_lapsed

    async def begin(self, address: tuple[str, int], capacity: int) -> None:
        """`address` is where other nodes reach our SIP."""
        async with self._database.transaction() as connection:
            await leases.register(connection, self._node_id, address, capacity, self._clock.now())

    async def run(self) -> None:
        """Renews until cancelled, or until the lease is lost."""
        renewed_at = self._clock.monotonic()
        in_danger = False
        while True:
            held = await self._renew()
            if held:
                renewed_at, in_danger = self._clock.monotonic(), False
            elif held is False:
                log.error("node.lease_lapsed", node_id=str(self._node_id))
                self._on_lapsed()
                return
            elif (
                not in_danger and self._clock.monotonic() - renewed_at >= leases.GIVE_UP_AFTER.total_seconds()
            ):
                in_danger = True
                log.error("node.lease_not_renewed", seconds=round(self._clock.monotonic() - renewed_at))
                self._on_danger()
            await self._clock.sleep(leases.RENEW_EVERY.total_seconds() if held else _TRY_AGAIN_S)

    async def end(self) -> None:
        """Says that the node has ended all its calls. A database that is away learns it when the lease lapses."""
        try:
            async with self._database.transaction() as connection:
                await leases.stop(connection, self._node_id, self._clock.now())
        except DatabaseUnavailable as exc:
            log.warning("node.stop_not_told", error=repr(exc))

    async def _renew(self) -> bool | None:
        """Whether it was renewed; None when the database did not say."""
        try:
            async with self._database.transaction() as connection:
                return await leases.renew(connection, self._node_id, self._clock.now())
        except DatabaseUnavailable as exc:
            log.warning("node.lease_unsure", error=repr(exc))
            return None
