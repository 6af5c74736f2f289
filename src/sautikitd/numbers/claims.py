"""Claiming a number: assignment, rental, event and audit in one transaction (contract §3)."""

from datetime import datetime

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Principal
from sautikitd.ids import uuid7
from sautikitd.numbering.parse import TelephoneNumber, parse_number
from sautikitd.numbers import inventory_repository, repository
from sautikitd.numbers.errors import AlreadyClaimed, NoneAvailable, NumberDenied, NumberNotFound
from sautikitd.numbers.models import (
    CallbackFormat,
    InventoryRecord,
    InventoryStatus,
    NumberRecord,
    NumberStatus,
    VoiceMethod,
)
from sautikitd.numbers.ports import EventRecorder, RentalWallet, number_event
from sautikitd.numbers.requests import ClaimNumber
from sautikitd.numbers.views import payload, rates_of
from sautikitd.wallet.models import Account, Cause, Details, EntryType, LedgerAccount, Line
from sautikitd.wallet.money import Minor
from sautikitd.wallet.prices import last_day_of_month, nairobi_day, rental_from
from sautikitd.wallet.tariffs import vat_basis_points

_TRIES = 25  # more than there are shared test numbers to lose a race for


class NumberClaims:
    def __init__(self, wallets: RentalWallet, events: EventRecorder) -> None:
        self._wallets = wallets
        self._events = events

    async def claim(
        self, connection: Connection, principal: Principal, wish: ClaimNumber, actor: Actor, now: datetime
    ) -> NumberRecord:
        """The number, paid to the end of the month. Inside a transaction, which a refusal must roll back.

        Raises `NumberDenied`, `NumberNotFound`, `AlreadyClaimed`, `NoneAvailable` and the
        wallet's `InsufficientFunds`.
        """
        if principal.number_ids is not None:
            raise NumberDenied
        basis_points = await vat_basis_points(connection, now)
        number = await self._assign(connection, principal, wish, basis_points, now)
        await self._charge(connection, number)
        rates = await rates_of(connection, number.workspace_id, now)
        data = payload(number, rates, charge=number.paid.total)
        await self._events.record(connection, number_event(EventKind.NUMBER_PROVISIONED, number, data, now))
        detail = {"e164": number.e164, "charge_minor": number.paid.total}
        await audit.record(connection, actor, "number.claim", str(number.id), detail, now=now)
        return number

    async def _assign(
        self,
        connection: Connection,
        principal: Principal,
        wish: ClaimNumber,
        basis_points: int,
        now: datetime,
    ) -> NumberRecord:
        """Takes the number the wish names, or any of the area; of those one may be lost to another claim meanwhile."""
        for _ in range(_TRIES):
            free = await self._lock(connection, principal, wish)
            number = _new_number(free, principal, wish, basis_points, now)
            if await repository.insert(connection, number):
                if number.mode == "live":
                    await inventory_repository.assign(connection, free.id)
                return number
            if wish.area_code is None:
                raise AlreadyClaimed(e164=number.e164)
        raise NoneAvailable(area_code=wish.area_code)

    @staticmethod
    async def _lock(connection: Connection, principal: Principal, wish: ClaimNumber) -> InventoryRecord:
        if wish.area_code is not None:
            workspace_id, mode = principal.workspace_id, principal.mode
            found = await inventory_repository.lock_any(connection, workspace_id, mode, wish.area_code)
            if found is None:
                raise NoneAvailable(area_code=wish.area_code)
            return found
        if wish.inventory_id is not None:
            found = await inventory_repository.lock_by_id(connection, principal.mode, wish.inventory_id)
        else:
            parsed = parse_number(wish.e164 or "", test_mode=principal.mode == "test")
            e164 = parsed.e164 if isinstance(parsed, TelephoneNumber) else ""
            found = await inventory_repository.lock_by_e164(connection, principal.mode, e164)
        if found is None or found.status is InventoryStatus.WITHDRAWN:
            raise NumberNotFound
        if found.status is not InventoryStatus.AVAILABLE:
            raise AlreadyClaimed(e164=found.e164)
        return found

    async def _charge(self, connection: Connection, number: NumberRecord) -> None:
        if number.paid.total == 0:
            return
        account = Account(number.workspace_id, number.mode)
        cause = Cause(EntryType.RENTAL, f"{number.id}/{number.paid_from:%Y-%m}")
        lines = [
            Line(LedgerAccount.REVENUE_RENTALS, number.paid.net),
            Line(LedgerAccount.VAT_PAYABLE, number.paid.vat),
        ]
        details = Details(
            description=f"Rental of {number.e164}, {number.paid_from} to {number.paid_through}",
            number_id=number.id,
            tax_basis_points=number.vat_basis_points,
        )
        await self._wallets.charge(connection, account, cause, lines, details, at=number.claimed_at)


def _new_number(
    free: InventoryRecord, principal: Principal, wish: ClaimNumber, basis_points: int, now: datetime
) -> NumberRecord:
    today = nairobi_day(now)
    charge = rental_from(today, free.monthly_price_minor, basis_points)
    taken = msgspec.structs.asdict(free)
    same = {name: taken[name] for name in ("e164", "country", "type", "locality", "capabilities")}
    return NumberRecord(
        **same,
        id=uuid7(),
        workspace_id=principal.workspace_id,
        mode=principal.mode,
        inventory_id=free.id,
        status=NumberStatus.ACTIVE,
        monthly_price_minor=free.monthly_price_minor,
        label=wish.label,
        voice_callback_url=wish.voice_callback_url,
        voice_method=VoiceMethod.POST,
        callback_format=CallbackFormat.SAUTIKIT,
        fallback_url=None,
        status_callback_url=None,
        events_url=wish.events_url,
        forward_to=None,
        record_calls=False,
        claimed_at=now,
        paid_from=today,
        paid_through=last_day_of_month(today),
        paid_net_minor=charge.net,
        paid_vat_minor=charge.vat,
        vat_basis_points=basis_points,
        released_at=None,
        refund_net_minor=Minor(0),
        refund_vat_minor=Minor(0),
        updated_at=now,
    )
