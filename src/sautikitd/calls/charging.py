"""What calls cost: their holds are settled to it when they end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sautikitd.calls.models import CallRecord
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Connection
from sautikitd.wallet.errors import CostAboveHold, NoHold
from sautikitd.wallet.limits import SpendGuards
from sautikitd.wallet.models import Account, Bill, Cause, Details, EntryRef, EntryType
from sautikitd.wallet.prices import affordable_seconds, call_cost
from sautikitd.wallet.service import Wallets


@dataclass(frozen=True)
class Charge:
    """What a call came to. `seconds` is None for a call that was never answered."""

    seconds: int | None
    cost_minor: int
    entry_id: UUID | None = None

    @classmethod
    def of(cls, seconds: int | None, entry: EntryRef | None) -> "Charge":
        return cls(seconds, -entry.amount_minor, entry.id) if entry else cls(seconds, 0)


class Charging:
    def __init__(self, wallets: Wallets, guards: SpendGuards | None) -> None:
        self._wallets = wallets
        self._guards = guards

    async def settle(
        self, connection: Connection, ending: Sequence[tuple[CallRecord, Ending]]
    ) -> dict[UUID, Charge]:
        """Charges legs what their seconds cost, in one statement where nothing is the matter; those of one wallet come
        together."""
        seconds = {call.id: _spoken(call, end) for call, end in ending}
        bills = [_bill(call, seconds[call.id] or 0) for call, _ in ending if _may_hold(call)]
        settled = {}
        if bills:
            settled = await self._wallets.settle_many(connection, EntryType.CALL, bills)
        charges = {}
        spent: dict[tuple[Account, UUID | None], int] = {}
        for call, _ in ending:
            charge = charges[call.id] = (
                Charge.of(seconds[call.id], settled.get(str(call.id)))
                if str(call.id) in settled or not _is_charged(call)
                else await self._charge(connection, call, seconds[call.id] or 0)
            )
            if charge.cost_minor:
                place = account_of(call), call.api_key_id
                spent[place] = spent.get(place, 0) + charge.cost_minor
        for (account, key_id), cost in spent.items() if self._guards else ():
            assert self._guards is not None
            await self._guards.record_spent(connection, account, key_id, cost)
        return charges

    async def _charge(self, connection: Connection, call: CallRecord, seconds: int) -> Charge:
        """Never more than was held: seconds that nothing was held for are not billed."""
        try:
            return await self._charge_in_full(connection, call, seconds)
        except NoHold:  # an inbound call on a wallet below zero
            return Charge(0, 0)
        except CostAboveHold as short:
            covered = affordable_seconds(short.held_minor, call.rate_per_minute_minor) or 0
            return await self._charge_in_full(connection, call, covered)

    async def _charge_in_full(self, connection: Connection, call: CallRecord, seconds: int) -> Charge:
        bill = _bill(call, seconds)
        entry = await self._wallets.settle(connection, cause_of(call.id), bill.cost_minor, bill.details)
        return Charge.of(seconds, entry)


def account_of(call: CallRecord) -> Account:
    return Account(call.workspace_id, call.mode)


def cause_of(call_id: UUID) -> Cause:
    return Cause(EntryType.CALL, str(call_id))


def _spoken(call: CallRecord, ending: Ending) -> int | None:
    """Whole seconds from the answer, rounded up; None where there was none."""
    if call.answered_at is None:
        return None
    return max(0, math.ceil((ending.at - call.answered_at).total_seconds()))


def _is_charged(call: CallRecord) -> bool:
    """Whether its seconds cost something: those of a group are its legs'."""
    return call.answered_at is not None and not call.is_parent and call.rate_per_minute_minor > 0


def _may_hold(call: CallRecord) -> bool:
    """Whether something may have been held for it: a free leg that came in holds nothing, nor does an answered group."""
    return (
        call.answered_at is None or _is_charged(call) or not (call.is_parent or call.direction == "inbound")
    )


def _bill(call: CallRecord, seconds: int) -> Bill:
    way = f"from {call.from_address}" if call.direction == "inbound" else f"to {call.to_address}"
    return Bill(
        cause_id=str(call.id),
        cost_minor=call_cost(seconds, call.rate_per_minute_minor),
        details=Details(
            description=f"Call {call.session_id} {way}, {seconds} s",
            reference=call.session_id,
            call_id=call.id,
            number_id=call.number_id,
        ),
    )
