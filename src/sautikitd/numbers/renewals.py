"""Renewing numbers on the 1st, exactly once per number and month whatever crashes (contract §3).

One transaction per number holds the charge, the days it pays for, the state and the event. A crash before its commit
leaves nothing, one after it leaves everything; two workers meet at the number's row, and the ledger takes one charge
for a number and month.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sautikitd.clock import NAIROBI, Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.kinds import EventKind
from sautikitd.identity.audit import Actor
from sautikitd.numbers import rental_repository
from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.numbers.ports import EventRecorder, RentalNotices, RentalWallet, number_event
from sautikitd.numbers.releases import NumberReleases
from sautikitd.numbers.rental_rules import Rental, first_unpaid_day, rental_due, status_unpaid
from sautikitd.numbers.views import payload, rates_of
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.models import Account, Cause, Details, EntryType, LedgerAccount, Line
from sautikitd.wallet.money import Minor
from sautikitd.wallet.prices import nairobi_day
from sautikitd.wallet.tariffs import vat_basis_points

log = structlog.get_logger()
_BATCH = 500
_STEPS = 100  # more than eight years of unpaid months in one go


class RentalRenewals:
    def __init__(
        self,
        wallets: RentalWallet,
        events: EventRecorder,
        releases: NumberReleases,
        clock: Clock,
        notices: RentalNotices | None = None,
    ) -> None:
        self._wallets = wallets
        self._events = events
        self._releases = releases
        self._clock = clock
        self._notices = notices

    async def run_due(self, database: Database) -> int:
        """Brings every number up to date whose rental is owed now; returns how many were looked at.

        Harmless to run at any time, as often as one likes and in several processes: each number is taken by one.
        The mail that sums up a workspace's renewals follows at the end; a crash before that spares it, never an event.
        """
        done, after = 0, UUID(int=0)
        renewed: dict[Account, list[NumberRecord]] = {}
        while True:
            async with database.connection() as connection:
                due = await rental_repository.due(connection, self._clock.now(), after, _BATCH)
            for number_id, ahead_seconds in due:
                async with database.transaction() as connection:
                    number = await rental_repository.lock(connection, number_id)
                    if number is not None:
                        now = self._clock.now() + timedelta(seconds=ahead_seconds)
                        current = await self.bring_up_to_date(connection, number, now)
                if number is not None and _went_on(number, current):
                    renewed.setdefault(Account(number.workspace_id, number.mode), []).append(current)
            done += len(due)
            if len(due) < _BATCH:
                await self._sum_up(database, renewed)
                return done
            after = due[-1][0]

    async def _sum_up(self, database: Database, renewed: Mapping[Account, Sequence[NumberRecord]]) -> None:
        if self._notices is None:
            return
        for numbers in renewed.values():
            async with database.transaction() as connection:
                await self._notices.about_renewals(connection, numbers)

    async def pass_days(
        self, connection: Connection, workspace_id: UUID, before: datetime, now: datetime
    ) -> None:
        """Lives through every day from `before` to `now` for a workspace's test numbers, in the caller's transaction."""
        numbers = await rental_repository.lock_test_numbers(connection, workspace_id)
        day = nairobi_day(before)
        while numbers and day < nairobi_day(now):
            day += timedelta(days=1)
            moment = min(now, datetime.combine(day, datetime.min.time(), NAIROBI))
            numbers = [await self._if_owed(connection, number, moment) for number in numbers]
            numbers = [number for number in numbers if number.status is not NumberStatus.RELEASED]

    async def bring_up_to_date(
        self, connection: Connection, number: NumberRecord, now: datetime
    ) -> NumberRecord:
        """Takes what is owed for a locked number, or lets it fall further behind."""
        today = nairobi_day(now)
        for _ in range(_STEPS):
            first_day = first_unpaid_day(number, today)
            if first_day is None:
                break
            start = datetime.combine(first_day, datetime.min.time(), NAIROBI)
            rental = rental_due(number, first_day, await vat_basis_points(connection, start))
            if await self._charge(connection, number, rental, now):
                number = await self._renewed(connection, number, rental, now)
                continue
            behind = await self._fall_behind(connection, number, rental, now)
            if behind.status is number.status:
                return behind
            number = behind
        return number

    async def _if_owed(self, connection: Connection, number: NumberRecord, moment: datetime) -> NumberRecord:
        if first_unpaid_day(number, nairobi_day(moment)) is None:
            return number
        return await self.bring_up_to_date(connection, number, moment)

    async def _charge(
        self, connection: Connection, number: NumberRecord, rental: Rental, now: datetime
    ) -> bool:
        if rental.charge.total == 0:
            return True
        lines: Sequence[Line] = [
            Line(LedgerAccount.REVENUE_RENTALS, rental.charge.net),
            Line(LedgerAccount.VAT_PAYABLE, rental.charge.vat),
        ]
        details = Details(
            description=f"Rental of {number.e164}, {rental.first_day} to {rental.last_day}",
            number_id=number.id,
            tax_basis_points=rental.vat_basis_points,
        )
        cause = Cause(EntryType.RENTAL, f"{number.id}/{rental.first_day:%Y-%m}")
        account = Account(number.workspace_id, number.mode)
        try:
            await self._wallets.charge(connection, account, cause, lines, details, at=now)
        except InsufficientFunds:
            return False
        return True

    async def _renewed(
        self, connection: Connection, number: NumberRecord, rental: Rental, now: datetime
    ) -> NumberRecord:
        renewed = await rental_repository.renew(connection, number.id, rental, now)
        await self._tell(connection, EventKind.NUMBER_RENEWED, renewed, now, charge=rental.charge.total)
        if self._notices and number.status is not NumberStatus.ACTIVE:
            await self._notices.about_rental(connection, EventKind.NUMBER_RENEWED, renewed, now)
        return renewed

    async def _fall_behind(
        self, connection: Connection, number: NumberRecord, rental: Rental, now: datetime
    ) -> NumberRecord:
        today = nairobi_day(now)
        status = status_unpaid(number, today)
        if status is NumberStatus.RELEASED:
            return await self._give_up(connection, number, now)
        if status is NumberStatus.SUSPENDED and number.status is not status:
            rental = rental_due(number, today, rental.vat_basis_points)
        behind = await rental_repository.owe(connection, number.id, status, today, rental.charge.total, now)
        if status is not number.status:
            suspended = status is NumberStatus.SUSPENDED
            kind = EventKind.NUMBER_SUSPENDED if suspended else EventKind.NUMBER_PAST_DUE
            await self._tell(connection, kind, behind, now)
            if self._notices:
                await self._notices.about_rental(connection, kind, behind, now)
        return behind

    async def _give_up(self, connection: Connection, number: NumberRecord, now: datetime) -> NumberRecord:
        actor = Actor(kind="system", id="renewals", workspace_id=number.workspace_id, mode=number.mode)
        released = await self._releases.end(connection, number, actor, now)
        if self._notices:
            await self._notices.about_rental(connection, EventKind.NUMBER_RELEASED, released, now)
        return released

    async def _tell(
        self,
        connection: Connection,
        kind: EventKind,
        number: NumberRecord,
        now: datetime,
        charge: Minor | None = None,
    ) -> None:
        rates = await rates_of(connection, number.workspace_id, now)
        data = payload(number, rates, charge=charge)
        await self._events.record(connection, number_event(kind, number, data, now))


def _went_on(before: NumberRecord, after: NumberRecord) -> bool:
    """Renewed without a hitch; a number that had fallen behind has mails of its own."""
    smooth = before.status is NumberStatus.ACTIVE and after.status is NumberStatus.ACTIVE
    return smooth and before.paid_through != after.paid_through
