"""Offering a top-up by a prompt on a saved phone when the balance is low, to workspaces that asked for it.

Nothing is taken without the PIN of whoever holds the phone. An offer is an ordinary top-up: the same limits, the same
events. One that fails is repeated an hour later at the earliest, and a day has three.
"""

from datetime import timedelta

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.identity.audit import Actor
from sautikitd.payments.auto_topups import repository
from sautikitd.payments.auto_topups.repository import Due
from sautikitd.payments.errors import PushInProgress, TooManyPrompts, TooSoon, TopUpsUnavailable
from sautikitd.payments.requests import CreateTopUp
from sautikitd.payments.service import TopUps
from sautikitd.wallet.models import Account
from sautikitd.wallet.prices import nairobi_day

log = structlog.get_logger()

MOST_A_DAY = 3
AFTER_FAILURE = timedelta(hours=1)
AFTER_REFUSAL = timedelta(minutes=5)
_EVERY_SECONDS = 5.0


class AutoTopUps:
    def __init__(self, topups: TopUps, database: Database, clock: Clock) -> None:
        self._topups = topups
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Makes offers as balances fall; runs until cancelled. Looking costs one query over those who asked for it."""
        while True:
            try:
                await self.offer_due()
            except DatabaseUnavailable as exc:
                log.warning("auto-top-ups wait for the database", error=repr(exc))
            await self._clock.sleep(_EVERY_SECONDS)

    async def offer_due(self) -> int:
        """Queues a prompt for every low balance; returns how many. Safe in several processes at once."""
        offers = 0
        while True:
            now = self._clock.now()
            async with self._database.transaction() as connection:
                due = await repository.lock_due(connection, now, nairobi_day(now), MOST_A_DAY, AFTER_FAILURE)
                if due is None:
                    return offers
                offers += await self._offer(connection, due)

    async def _offer(self, connection: Connection, due: Due) -> int:
        account = Account(due.workspace_id, due.mode)
        actor = Actor(kind="system", id="auto-topup", workspace_id=due.workspace_id, mode=due.mode)
        wish = CreateTopUp(amount_minor=due.amount_minor, phone_e164=due.phone_e164)
        now = self._clock.now()
        try:
            topup = await self._topups.request(connection, account, wish, actor)
        except (PushInProgress, TooSoon, TooManyPrompts, TopUpsUnavailable) as exc:
            log.info("auto-top-up put off", workspace_id=str(due.workspace_id), reason=exc.code)
            await repository.postpone(connection, account, now + AFTER_REFUSAL)
            return 0
        await repository.offered(connection, account, topup.id, nairobi_day(now))
        return 1
