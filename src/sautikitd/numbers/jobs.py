"""Background work of the numbers room."""

from datetime import datetime

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.numbers import inventory_repository
from sautikitd.numbers.renewals import RentalRenewals

log = structlog.get_logger()
_EVERY_SECONDS = 2.0


async def return_from_quarantine(connection: Connection, now: datetime) -> int:
    """Makes rested numbers available again; returns how many. Harmless to run twice, or in several processes."""
    return await inventory_repository.end_quarantine(connection, now)


async def keep_renewing(renewals: RentalRenewals, database: Database, clock: Clock) -> None:
    """Takes rentals as they fall due, and unpaid ones as soon as there is money; runs until cancelled.

    Looking costs one query over the few numbers that owe something, so it needs no signal from the wallet.
    """
    while True:
        try:
            done = await renewals.run_due(database)
            if done:
                log.info("rentals looked at", numbers=done)
        except DatabaseUnavailable as exc:
            log.warning("rentals wait for the database", error=repr(exc))
        await clock.sleep(_EVERY_SECONDS)
