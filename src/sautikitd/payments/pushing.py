"""Sends queued pushes, each at most once: what may have left us is never sent again (contract §12, Top-ups)."""

import asyncio
from datetime import timedelta

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.events.models import Mode
from sautikitd.payments import push_repository as pushes
from sautikitd.payments.accounts import CallbackPaths
from sautikitd.payments.daraja.client import DarajaClient, Push
from sautikitd.payments.daraja.outcomes import PHONE_LOCKED, Accepted, Outcome, PushTicket, Rejected
from sautikitd.payments.ladder import next_check
from sautikitd.payments.models import PushState, TopUp
from sautikitd.payments.result_codes import FailureCode
from sautikitd.payments.settlement import Settlement

log = structlog.get_logger()

AT_ONCE = 10
_FORSAKEN_AFTER = timedelta(seconds=90)
_STALE_AFTER = timedelta(minutes=5)
"""A prompt that comes minutes after it was asked for finds nobody waiting: it is not sent any more."""

_RETRY_AFTER = timedelta(seconds=5)


class Pusher:
    def __init__(
        self,
        *,
        database: Database,
        clients: dict[Mode, DarajaClient],
        paths: CallbackPaths,
        settlement: Settlement,
        clock: Clock,
    ) -> None:
        self._database = database
        self._clients = clients
        self._paths = paths
        self._settlement = settlement
        self._clock = clock

    async def work(self) -> int:
        """Sends up to ten pushes side by side; returns how many it took."""
        modes = [client.account.mode for client in self._clients.values()]
        async with self._database.transaction() as connection:
            topups = await pushes.claim_pushes(connection, modes, self._clock.now(), AT_ONCE)
        await asyncio.gather(*(self._send(topup) for topup in topups))
        return len(topups)

    async def forsake(self) -> int:
        """Pushes of workers that died while sending become `unknown`; returns how many."""
        async with self._database.connection() as connection:
            lost = await pushes.forsake(connection, self._clock.now() - _FORSAKEN_AFTER)
        for topup_id in lost:
            log.warning("push of unknown outcome", topup=str(topup_id))
        return len(lost)

    async def _send(self, topup: TopUp) -> None:
        if self._clock.now() - topup.created_at > _STALE_AFTER:
            await self._reject(topup, FailureCode.PROVIDER_UNAVAILABLE)
            return
        client = self._clients[topup.mode]
        push = Push(
            phone=(topup.phone_e164 or "").removeprefix("+"),
            shillings=topup.amount_minor // 100,
            reference=topup.reference,
            callback_url=client.account.callback_base + self._paths.stk(topup.id),
        )
        await self._note(topup, await client.push(push))

    async def _note(self, topup: TopUp, outcome: Outcome[PushTicket]) -> None:
        now = self._clock.now()
        if isinstance(outcome, Accepted):
            await self._accepted(topup, outcome.value.checkout_request_id)
        elif not isinstance(outcome, Rejected):
            log.warning("push of unknown outcome", topup=str(topup.id), why=outcome.why[:80])
            async with self._database.connection() as connection:
                await pushes.set_state(connection, topup.id, PushState.UNKNOWN)
        elif outcome.not_sent:
            async with self._database.connection() as connection:
                await pushes.requeue(connection, topup.id, now + _RETRY_AFTER)
        else:
            log.warning("push rejected", topup=str(topup.id), code=outcome.code, said=outcome.message[:100])
            await self._reject(topup, _failure_of(outcome))

    async def _accepted(self, topup: TopUp, checkout_request_id: str) -> None:
        check = next_check(topup.pushed_at or topup.created_at, self._clock.now())
        async with self._database.connection() as connection:
            known = await pushes.accepted(connection, topup.id, checkout_request_id, check)
        if known != checkout_request_id:
            log.error("push and callback disagree on the CheckoutRequestID", topup=str(topup.id))

    async def _reject(self, topup: TopUp, code: FailureCode) -> None:
        async with self._database.transaction() as connection:
            await self._settlement.failed(connection, topup.mode, topup.id, code)
            await pushes.set_state(connection, topup.id, PushState.REJECTED)


def _failure_of(outcome: Rejected) -> FailureCode:
    if outcome.code == PHONE_LOCKED:
        return FailureCode.PHONE_BUSY
    return FailureCode.PROVIDER_BUSY if outcome.retryable else FailureCode.MISCONFIGURED
