"""A top-up that staff gives up, knowing that nothing was paid. Late money would still be credited."""

import dataclasses
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.payments import repository
from sautikitd.payments.errors import TopUpNotFound, TopUpNotPending
from sautikitd.payments.models import TopUpStatus
from sautikitd.payments.result_codes import FailureCode
from sautikitd.payments.settlement import Settlement


class GiveUpTopUp:
    def __init__(self, settlement: Settlement, clock: Clock) -> None:
        self._settlement = settlement
        self._clock = clock

    async def give_up(
        self, connection: Connection, mode: Mode, topup_id: UUID, reason: str, actor: Actor
    ) -> None:
        """Fails a pending top-up as unconfirmed, audited. Raises `TopUpNotFound` and `TopUpNotPending`."""
        topup = await repository.lock(connection, mode, topup_id)
        if topup is None:
            raise TopUpNotFound(topup_id=topup_id)
        if topup.status is not TopUpStatus.PENDING:
            raise TopUpNotPending(status=topup.status)
        await self._settlement.failed(connection, mode, topup_id, FailureCode.UNCONFIRMED)
        actor = dataclasses.replace(actor, workspace_id=topup.workspace_id, mode=mode)
        detail, now = {"reason": reason}, self._clock.now()
        await audit.record(connection, actor, "topup.give_up", str(topup_id), detail, now=now)
