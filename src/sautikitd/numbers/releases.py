"""Releasing a number: the unused days come back, the number rests, then returns to inventory (contract §3)."""

from datetime import datetime, timedelta
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal
from sautikitd.numbers import inventory_repository, repository
from sautikitd.numbers.errors import NumberNotFound
from sautikitd.numbers.models import NumberRecord, NumberStatus
from sautikitd.numbers.ports import EventRecorder, ReleaseNotice, RentalWallet, number_event
from sautikitd.numbers.views import payload, rates_of
from sautikitd.wallet.models import Account, Cause, Details, EntryType, LedgerAccount, Line
from sautikitd.wallet.money import Minor
from sautikitd.wallet.prices import Charge, nairobi_day, rental_refund

_NOTHING = Charge(Minor(0), Minor(0))


class NumberReleases:
    """`quarantine` is how long a live number rests before others may have it; test numbers never rest."""

    def __init__(
        self,
        wallets: RentalWallet,
        events: EventRecorder,
        notice: ReleaseNotice | None = None,
        *,
        quarantine: timedelta = timedelta(days=30),
    ) -> None:
        self._wallets = wallets
        self._events = events
        self._notice = notice
        self._quarantine = quarantine

    async def release(
        self, connection: Connection, principal: Principal, number_id: UUID, actor: Actor, now: datetime
    ) -> NumberRecord:
        """The released number, with its refund. Live calls go on to their end. Inside a transaction.

        Repeating it changes nothing and returns the same. Raises `NumberNotFound`.
        """
        number = await repository.find(connection, principal, number_id, lock=True)
        if number is None:
            raise NumberNotFound
        if number.status is NumberStatus.RELEASED:
            return number
        released = await self.end(connection, number, actor, now)
        if self._notice:
            await self._notice.about_release(connection, released)
        return released

    async def end(
        self, connection: Connection, number: NumberRecord, actor: Actor, now: datetime
    ) -> NumberRecord:
        """Releases a number that is locked. What is owed for it is written off; unused days that are paid come back."""
        refund = refund_due(number, now)
        released = await repository.release(connection, number.id, refund, now)
        await self._refund(connection, released)
        if released.mode == "live":
            until = now + self._quarantine if self._quarantine else None
            await inventory_repository.quarantine(connection, released.inventory_id, until)
        rates = await rates_of(connection, released.workspace_id, now)
        data = payload(released, rates, refund=refund.total)
        await self._events.record(connection, number_event(EventKind.NUMBER_RELEASED, released, data, now))
        detail = {"e164": released.e164, "refund_minor": refund.total}
        await audit.record(connection, actor, "number.release", str(released.id), detail, now=now)
        return released

    async def _refund(self, connection: Connection, number: NumberRecord) -> None:
        if number.refund.total == 0:
            return
        account = Account(number.workspace_id, number.mode)
        cause = Cause(EntryType.REFUND, f"{number.id}/{number.paid_from:%Y-%m}")
        lines = [
            Line(LedgerAccount.REVENUE_RENTALS, number.refund.net),
            Line(LedgerAccount.VAT_PAYABLE, number.refund.vat),
        ]
        details = Details(
            description=f"Unused rental of {number.e164} to {number.paid_through}",
            number_id=number.id,
            tax_basis_points=number.vat_basis_points,
        )
        await self._wallets.refund(connection, account, cause, lines, details, at=number.released_at)


def refund_due(number: NumberRecord, now: datetime) -> Charge:
    """What was charged less the same formula for the days used, today included. Nothing once the paid days are over."""
    today = nairobi_day(now)
    if number.paid_from is None or number.paid_through is None or today > number.paid_through:
        return _NOTHING
    last_day = max(today, number.paid_from)
    return rental_refund(
        number.paid, number.paid_from, last_day, number.monthly_price_minor, number.vat_basis_points
    )
