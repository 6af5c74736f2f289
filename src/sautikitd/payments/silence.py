"""Pushes that nobody called us back about: one is a lost callback, many are a broken way in (`mpesa.md` §9.7)."""

from datetime import datetime, timedelta

import structlog
from prometheus_client import Gauge

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Mode

log = structlog.get_logger()

SILENT_AFTER = timedelta(minutes=5)
"""A callback comes within a minute or so; what is not there after five is taken for lost."""

_LOOKED_BACK = timedelta(hours=24)

WITHOUT_CALLBACK = Gauge(
    "sautikit_mpesa_pushes_without_callback",
    "Pushes of the last 24 hours that Daraja has not called back about for five minutes.",
    ["mode"],
)


class Silence:
    def __init__(self, database: Database, modes: list[Mode], clock: Clock) -> None:
        self._database = database
        self._modes = modes
        self._clock = clock
        self._known: dict[Mode, int] = {}

    async def measure(self) -> None:
        """Sets the gauge of each mode, and warns in the log when it has grown."""
        now = self._clock.now()
        for mode in self._modes:
            async with self._database.connection() as connection:
                silent = await without_callback(connection, mode, now - _LOOKED_BACK, now - SILENT_AFTER)
            if silent > self._known.get(mode, 0):
                log.warning("pushes without a callback", mode=mode, pushes=silent)
            self._known[mode] = silent
            WITHOUT_CALLBACK.labels(mode).set(silent)


async def without_callback(connection: Connection, mode: Mode, since: datetime, before: datetime) -> int:
    """How many pushes sent in [since, before) have no believed callback until now."""
    silent: int = await connection.fetchval(_SILENT, mode, since, before)
    return silent


_SILENT = """
SELECT count(*) FROM topups t
WHERE t.mode = $1 AND t.push_state IN ('accepted', 'unknown') AND t.created_at >= $2::timestamptz - interval '1 hour'
  AND t.pushed_at >= $2 AND t.pushed_at < $3
  AND NOT EXISTS (SELECT FROM mpesa_inbox i
                  WHERE i.received_at >= $2 AND i.topup_id = t.id AND i.kind = 'stk' AND i.state <> 'ignored')
"""
