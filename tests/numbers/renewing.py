"""A process that renews rentals until it is done or killed: `python renewing.py DATABASE_URL MOMENT`."""

import asyncio
import sys
from datetime import datetime

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.events.log import EventLog
from sautikitd.numbers.releases import NumberReleases
from sautikitd.numbers.renewals import RentalRenewals
from sautikitd.wallet.service import Wallets


async def renew(url: str, moment: datetime) -> None:
    clock, events = ManualClock(moment), EventLog()
    database = await Database.connect(url, maximum=2)
    wallets = Wallets(events, clock)
    renewals = RentalRenewals(wallets, events, NumberReleases(wallets, events), clock)
    await renewals.run_due(database)
    await database.close()


if __name__ == "__main__":
    asyncio.run(renew(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
