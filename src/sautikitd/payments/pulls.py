"""The safety net under every callback: what Daraja says came in, read again by Pull (`mpesa.md` §5).

Every 15 minutes the last two hours, every day all of the 48 hours that Pull knows. Each sweep extends the
stretch of time that is covered without a gap, by which unconfirmed top-ups may be given up.
"""

from datetime import datetime, timedelta

import structlog

from sautikitd.clock import NAIROBI, Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Mode
from sautikitd.payments.daraja.client import DarajaClient
from sautikitd.payments.daraja.outcomes import Accepted, PulledRow
from sautikitd.payments.models import Payment, Source
from sautikitd.payments.notices import read_amount, read_receipt
from sautikitd.payments.settlement import Settlement

log = structlog.get_logger()

EVERY = timedelta(minutes=15)
_LOOK_BACK = timedelta(hours=2)
_DEEP_EVERY = timedelta(hours=24)
_REACH = timedelta(hours=48)
_OVERLAP = timedelta(minutes=10)
_RETRY_AFTER = timedelta(minutes=1)
_PAGES = 1000


class PullSweeps:
    def __init__(
        self, *, database: Database, clients: dict[Mode, DarajaClient], settlement: Settlement, clock: Clock
    ) -> None:
        self._database = database
        self._clients = clients
        self._settlement = settlement
        self._clock = clock

    async def work(self) -> int:
        """Sweeps each mode whose time has come; returns how many sweeps were completed."""
        done = 0
        for client in self._clients.values():
            if client.account.pull:
                start = await self._claim(client.account.mode)
                if start is not None and await self.sweep(client, start, self._clock.now()):
                    done += 1
        return done

    async def sweep(self, client: DarajaClient, start: datetime, end: datetime) -> bool:
        """Reads all of a window and takes what was not known. False, to be tried again, when Daraja did not tell it all."""
        offset = 0
        for _ in range(_PAGES):
            outcome = await client.pull(start, end, offset)
            if not isinstance(outcome, Accepted):
                await self._retry(client.account.mode)
                return False
            if not outcome.value:
                async with self._database.connection() as connection:
                    await connection.execute(_COVERED, client.account.mode, start, end)
                return True
            for row in outcome.value:
                await self._take(client.account.mode, row)
            offset += len(outcome.value)
        log.error("pull never ends", mode=client.account.mode)
        return False

    async def _take(self, mode: Mode, row: PulledRow) -> None:
        receipt, amount = read_receipt(row.receipt), read_amount(row.amount)
        if receipt is None or amount is None:
            log.warning("pull told of a payment that cannot be read", mode=mode)
            return
        payment = Payment(
            mode=mode,
            source=Source.PULL,
            receipt=receipt,
            amount_minor=amount,
            reference=row.reference,
            payer=row.payer or None,
            paid_at=read_pull_time(row.time),
        )
        async with self._database.transaction() as connection:
            await self._settlement.receive(connection, payment)

    async def _claim(self, mode: Mode) -> datetime | None:
        """Where the sweep that is due starts; None when none is. One worker gets it."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_DUE, mode, now)
            if row is None:
                return None
            deep: bool = row["deep"]
            await _schedule(connection, mode, now, deep=deep)
        start = now - (_REACH if deep else _LOOK_BACK)
        if row["covered_until"] is not None:
            start = min(start, row["covered_until"] - _OVERLAP)
        return max(start, now - _REACH)

    async def _retry(self, mode: Mode) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_AGAIN, mode, self._clock.now() + _RETRY_AFTER)


async def _schedule(connection: Connection, mode: Mode, now: datetime, *, deep: bool) -> None:
    await connection.execute(_NEXT, mode, now + EVERY, now + _DEEP_EVERY if deep else None)


def read_pull_time(text: str) -> datetime | None:
    """`2020-08-05T10:13:00Z` or without the Z; a time without a zone is Nairobi's."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=NAIROBI)


_DUE = """
SELECT covered_until, next_deep_sweep_at <= $2 AS deep FROM mpesa_pulls WHERE mode = $1 AND next_sweep_at <= $2
FOR UPDATE SKIP LOCKED
"""

_NEXT = """
UPDATE mpesa_pulls SET next_sweep_at = $2, next_deep_sweep_at = coalesce($3, next_deep_sweep_at) WHERE mode = $1
"""

# A sweep that failed is due again soon, and as a deep one: it may have left a hole.
_AGAIN = "UPDATE mpesa_pulls SET next_sweep_at = $2, next_deep_sweep_at = '-infinity' WHERE mode = $1"

# A gap before this sweep starts the covered stretch anew.
_COVERED = """
UPDATE mpesa_pulls SET
    covered_from = CASE WHEN covered_until >= $2 THEN least(covered_from, $2) ELSE $2 END,
    covered_until = CASE WHEN covered_until >= $2 THEN greatest(covered_until, $3) ELSE $3 END
WHERE mode = $1
"""
