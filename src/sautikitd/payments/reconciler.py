"""Asks what became of pushes nobody told us about, and gives up those that provably nobody paid."""

import asyncio
from datetime import timedelta

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.events.models import Mode
from sautikitd.payments import push_repository as pushes
from sautikitd.payments import repository
from sautikitd.payments.daraja.client import DarajaClient
from sautikitd.payments.daraja.outcomes import Accepted
from sautikitd.payments.ladder import next_check
from sautikitd.payments.models import TopUp
from sautikitd.payments.result_codes import FailureCode, Verdict, meaning_of
from sautikitd.payments.settlement import Settlement

log = structlog.get_logger()

AT_ONCE = 5
"""Queries side by side: a limit on what one worker asks of Daraja, which publishes none."""

UNCONFIRMED_AFTER = timedelta(hours=48)
_ASKING = timedelta(minutes=2)
_PROMPT_GONE = timedelta(minutes=10)
_BATCH = 100


class Reconciler:
    def __init__(
        self, *, database: Database, clients: dict[Mode, DarajaClient], settlement: Settlement, clock: Clock
    ) -> None:
        self._database = database
        self._clients = clients
        self._settlement = settlement
        self._clock = clock

    async def work(self) -> int:
        """Asks about up to five pending top-ups whose time has come; returns how many it took."""
        now = self._clock.now()
        modes = [client.account.mode for client in self._clients.values()]
        async with self._database.transaction() as connection:
            topups = await pushes.claim_checks(connection, modes, now, now + _ASKING, AT_ONCE)
        await asyncio.gather(*(self._ask(topup) for topup in topups))
        return len(topups)

    async def release_prompts(self) -> None:
        """A prompt lives about a minute: after ten the phone may be prompted anew, whatever became of the old one."""
        async with self._database.connection() as connection:
            await repository.release_prompts(connection, self._clock.now() - _PROMPT_GONE)

    async def give_up(self) -> int:
        """Fails what no channel told of in 48 hours that pulls cover without a gap; returns how many.

        Without pulls nothing is given up here: staff decides, who can look into M-PESA's own portal.
        """
        given_up, found = 0, _BATCH
        while found == _BATCH:
            async with self._database.transaction() as connection:
                before = self._clock.now() - UNCONFIRMED_AFTER
                topups = await repository.unconfirmed(connection, before, _BATCH)
                for topup in topups:
                    await self._settlement.failed(connection, topup.mode, topup.id, FailureCode.UNCONFIRMED)
            found = len(topups)
            given_up += found
        return given_up

    async def _ask(self, topup: TopUp) -> None:
        assert topup.checkout_request_id is not None
        outcome = await self._clients[topup.mode].query(topup.checkout_request_id)
        next_at = next_check(topup.pushed_at or topup.created_at, self._clock.now())
        async with self._database.transaction() as connection:
            if isinstance(outcome, Accepted):
                meaning = meaning_of(outcome.value.code)
                if meaning.ours or meaning.verdict is Verdict.UNKNOWN:
                    log.error(
                        "a query answered with", result_code=outcome.value.code[:20], topup=str(topup.id)
                    )
                if meaning.verdict is Verdict.PAID:
                    await self._settlement.paid(connection, topup.mode, topup.id)
                elif meaning.verdict is Verdict.FAILED and meaning.failure:
                    await self._settlement.failed(connection, topup.mode, topup.id, meaning.failure)
            await pushes.check_at(connection, topup.id, next_at)
