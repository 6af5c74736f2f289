"""A call's way from status to status. State, event and money change in the caller's one transaction.

Every step locks the call, then the wallet, looks where the call is, and does nothing when it is already
past that step: a step whose commit was never confirmed may simply be run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from sautikitd.calls import last_reports, repository
from sautikitd.calls.charging import Charge, Charging, account_of, cause_of
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupCause, failure_code_of
from sautikitd.calls.steps import Alerting, Answering, Closing, Ending, Step, Taken
from sautikitd.calls.views import event_data
from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint, Event
from sautikitd.ids import uuid7
from sautikitd.wallet.errors import InsufficientFunds, NoHold
from sautikitd.wallet.limits import Guards, SpendGuards
from sautikitd.wallet.models import EntryType, Wish
from sautikitd.wallet.prices import hold_amount
from sautikitd.wallet.service import Wallets

FIRST_HOLD_SECONDS = 60

# Causes that make an answered call a failed one; every other end of an answered call is a completed call.
_BREAKING = {
    *(HangupCause.MEDIA_TIMEOUT, HangupCause.NODE_LOST, HangupCause.MEDIA_LOST, HangupCause.INTERNAL_ERROR)
}


@dataclass(frozen=True, kw_only=True)
class Covered:
    """How far a call's hold reaches, in seconds since the answer, and what stands in the way of more."""

    seconds: int
    short_of: HangupCause = HangupCause.INSUFFICIENT_FUNDS


class CallLifecycle:
    def __init__(self, wallets: Wallets, events: EventLog, guards: SpendGuards | None = None) -> None:
        self._wallets = wallets
        self._events = events
        self._guards = guards
        self._charging = Charging(wallets, guards)

    async def start(
        self, connection: Connection, call: CallRecord, *, now: datetime, **columns: Any
    ) -> CallRecord:
        """queued → ringing, of a call that is locked: the INVITE is about to be sent. Emits `call.started`."""
        started, _ = await self.start_many(connection, [(call, columns)], now)
        return started[0]

    async def start_many(
        self, connection: Connection, calls: Sequence[tuple[CallRecord, dict[str, Any]]], now: datetime
    ) -> tuple[list[CallRecord], int]:
        """The same for several, each with what else is to be stored with it; and how many deliveries came of it."""
        started = [
            _next(call, status=CallStatus.RINGING, started_at=now, updated_at=now, **columns)
            for call, columns in calls
        ]
        deliveries = await self._write(
            connection, [_Change(call, EventKind.CALL_STARTED, now) for call in started]
        )
        return started, deliveries

    async def take(
        self, connection: Connection, steps: Sequence[Step], *, wait: bool = True
    ) -> tuple[list[Taken], int]:
        """Takes steps of as many different calls, in few statements. Returns in their order what became of each, and
        how many deliveries came of them. Without `wait`, calls that somebody else has locked are taken for not there.

        Calls are locked first, in the order of their ids, then holds and wallets, in the order of accounts.
        """
        found = await repository.lock_many(connection, [step.call_id for step in steps], wait=wait)
        due = [
            (found[step.call_id], step)
            for step in steps
            if step.call_id in found and _moves_money(found[step.call_id], step)
        ]
        charges = await self._move_money(connection, due)
        taken, changes = [], []
        for step in steps:
            call = found.get(step.call_id)
            after = _after(call, step, charges) if call else None
            taken.append(Taken(after.call if after else call, after is not None))
            if after:
                changes.append(after)
        return taken, await self._write(connection, changes)

    async def hold(self, connection: Connection, call: CallRecord, known: Guards | None = None) -> None:
        """Holds enough for the first minute, or less if the call may not last one. Raises `InsufficientFunds`.

        `known` is kept for the holds of one transaction, so that a wallet's guards are read once for all of them.

        A free leg holds nothing, but a wallet below zero bears no outbound call at all.
        """
        amount = hold_amount(first_seconds(call.max_duration_seconds), call.rate_per_minute_minor)
        if self._guards:
            await self._guards.authorise_dial(connection, account_of(call), call.api_key_id, amount, known)
        await self._wallets.hold(connection, account_of(call), cause_of(call.id), amount)

    async def hold_many(
        self, connection: Connection, calls: Sequence[CallRecord], known: Guards
    ) -> set[UUID]:
        """The same for several calls in one statement, as far as money goes and no cap has to be counted against.
        Returns those that were held for; `hold` says of the others what is wrong, in any order of their wallets."""
        wishes = []
        for call in calls:
            account = account_of(call)
            if not self._guards or await self._guards.let_dial(connection, account, call.api_key_id, known):
                seconds = first_seconds(call.max_duration_seconds)
                wishes.append(Wish(account, str(call.id), hold_amount(seconds, call.rate_per_minute_minor)))
        accounts = {account_of(call) for call in calls}
        if len(wishes) < len(calls) and len(accounts) > 1:
            await self._wallets.lock(connection, accounts)
        if not wishes:
            return set()
        held = await self._wallets.hold_many(connection, EntryType.CALL, wishes)
        return {call.id for call in calls if str(call.id) in held}

    async def alert(self, connection: Connection, call_id: UUID, at: datetime) -> CallRecord | None:
        (taken,), _ = await self.take(connection, [Alerting(call_id=call_id, at=at)])
        return taken.call

    async def answer(
        self, connection: Connection, call_id: UUID, at: datetime, dialog: dict[str, Any] | None
    ) -> CallRecord | None:
        """The caller looks at the status returned: a terminal one means it came too late."""
        (taken,), _ = await self.take(connection, [Answering(call_id=call_id, at=at, dialog=dialog)])
        return taken.call

    async def identify(
        self, connection: Connection, call_id: UUID, answered_by: str, at: datetime
    ) -> CallRecord | None:
        """It was found out who answered: `human`, `machine`, `fax` or `unknown`. Emits `call.machine_detected`, once,
        whoever it was."""
        call = await repository.lock(connection, call_id)
        if call is None or call.status is not CallStatus.ANSWERED or call.answered_by:
            return call
        values = {"answered_by": answered_by, "updated_at": at}
        identified = await repository.update(connection, call_id, values, counts=True)
        await self.emit(connection, identified, EventKind.CALL_MACHINE_DETECTED, at)
        return identified

    async def win(
        self,
        connection: Connection,
        parent_id: UUID,
        leg_id: UUID,
        at: datetime,
        dialog: dict[str, Any] | None,
    ) -> bool:
        """Answers a leg of a group, if no other leg has been first: the parent is locked, and shows the winner."""
        parent = await repository.lock(connection, parent_id)
        if parent is None or parent.status is not CallStatus.RINGING:
            return False
        leg = await self.answer(connection, leg_id, at, dialog)
        if leg is None or leg.status is not CallStatus.ANSWERED:
            return False
        winner = {
            "status": CallStatus.ANSWERED,
            "answered_at": at,
            "updated_at": at,
            "to_address": leg.to_address,
            "remote_e164": leg.remote_e164,
            "country": leg.country,
        }
        shown = await repository.update(connection, parent_id, winner, counts=True)
        await self.emit(connection, shown, EventKind.CALL_ANSWERED, at)
        return True

    async def end(
        self, connection: Connection, call_id: UUID, ending: Ending, *, keep_dialog: bool = False
    ) -> tuple[CallRecord, bool] | None:
        """The call and whether this was what ended it; None when there is no such call."""
        step = Closing(call_id=call_id, ending=ending, keep_dialog=keep_dialog)
        (taken,), _ = await self.take(connection, [step])
        return (taken.call, taken.changed) if taken.call else None

    async def extend_hold(self, connection: Connection, call_id: UUID, wanted_seconds: int) -> Covered:
        """Grows the hold to cover `wanted_seconds` since the answer, or as many whole seconds as can be paid.

        Fewer seconds than wanted mean that the wallet has nothing more, or that a cap allows no more.
        """
        call = await repository.lock(connection, call_id)
        if call is None or call.status is not CallStatus.ANSWERED:
            return Covered(seconds=0)
        rate = call.rate_per_minute_minor
        if rate == 0:
            return Covered(seconds=wanted_seconds)
        allowed = wanted_seconds
        if self._guards and call.direction == "outbound":  # what comes in is not the owner's choice
            held = await self._wallets.held(connection, cause_of(call_id))
            allowed = await self._guards.seconds_allowed(
                connection,
                account_of(call),
                call.api_key_id,
                held_minor=held,
                wanted_seconds=wanted_seconds,
                rate_per_minute=rate,
            )
        try:
            coverage = await self._wallets.extend_hold(connection, cause_of(call_id), allowed, rate)
        except NoHold:  # an inbound call on a wallet below zero
            return Covered(seconds=0)
        capped = coverage.seconds >= allowed  # the wallet would have borne more
        return Covered(
            seconds=coverage.seconds,
            short_of=HangupCause.SPEND_LIMIT if capped else HangupCause.INSUFFICIENT_FUNDS,
        )

    async def _move_money(
        self, connection: Connection, due: Sequence[tuple[CallRecord, Step]]
    ) -> dict[UUID, Charge]:
        """Settles or releases what was held for the calls that end, and counts what that comes to; holds for those
        that came in and are answered, where that costs something."""
        ordered = sorted(due, key=lambda one: (account_of(one[0]), one[0].id))
        ending = [(call, step.ending) for call, step in ordered if isinstance(step, Closing)]
        answered = [call for call, step in ordered if not isinstance(step, Closing)]
        if answered and len(due) > 1:
            await self._wallets.lock(connection, {account_of(call) for call, _ in due})
        for call in answered:
            await self._hold_inbound(connection, call)
        return await self._charging.settle(connection, ending) if ending else {}

    async def _hold_inbound(self, connection: Connection, call: CallRecord) -> None:
        """Holds for the first minute as far as the wallet reaches: a call that comes in is taken at any balance."""
        try:
            await self._wallets.hold(connection, account_of(call), cause_of(call.id), 0)
        except InsufficientFunds:
            return  # it is below zero
        seconds = first_seconds(call.max_duration_seconds)
        await self._wallets.extend_hold(connection, cause_of(call.id), seconds, call.rate_per_minute_minor)

    async def emit(self, connection: Connection, call: CallRecord, kind: EventKind, at: datetime) -> None:
        await self._events.record_many(connection, [_event(_Change(call, kind, at))])

    async def _write(self, connection: Connection, changes: Sequence["_Change"]) -> int:
        """Stores calls as they are now, each with the event that tells of it; how many deliveries that makes."""
        if not changes:
            return 0
        await repository.store(connection, [change.call for change in changes])
        ended = [change for change in changes if change.call.ended_at is not None]
        await last_reports.owe(
            connection,
            [(change.call.id, change.reported_until) for change in ended if last_reports.owed(change.call)],
        )
        return await self._events.record_many(connection, [_event(change) for change in changes])


class _Change(NamedTuple):
    """A call after a step, and the event that tells of it; `entry_id` where money was taken."""

    call: CallRecord
    kind: EventKind
    at: datetime
    entry_id: UUID | None = None
    reported_until: datetime | None = None


def _moves_money(call: CallRecord, step: Step) -> bool:
    """Whether a step settles or releases a hold, or is the answer of an inbound call that costs something."""
    if isinstance(step, Closing):
        return not call.status.terminal
    priced = call.direction == "inbound" and call.rate_per_minute_minor > 0
    return priced and isinstance(step, Answering) and call.status is CallStatus.RINGING


def _next(call: CallRecord, **columns: Any) -> CallRecord:
    """The call after a step that a public event tells of."""
    return replace(call, event_sequence=call.event_sequence + 1, **columns)


def _after(call: CallRecord, step: Step, charges: dict[UUID, Charge]) -> _Change | None:
    """The call once the step is taken, and the event of that; None for a call that is past it."""
    if isinstance(step, Alerting):
        if call.status is not CallStatus.RINGING or call.ringing_at is not None:
            return None
        return _Change(_next(call, ringing_at=step.at, updated_at=step.at), EventKind.CALL_RINGING, step.at)
    if isinstance(step, Answering):
        if call.status is not CallStatus.RINGING:
            return None
        dialog = call.dialog if step.dialog is None else step.dialog
        answered = _next(
            call, status=CallStatus.ANSWERED, answered_at=step.at, updated_at=step.at, dialog=dialog
        )
        return _Change(answered, EventKind.CALL_ANSWERED, step.at)
    return _closed(call, step, charges[call.id]) if call.id in charges else None


def _closed(call: CallRecord, step: Closing, charge: Charge) -> _Change:
    ending = step.ending
    status = _final_status(call, ending)
    ended = _next(
        call,
        status=status,
        ended_at=max(ending.at, call.answered_at or ending.at),
        updated_at=ending.at,
        billed_seconds=charge.seconds,
        cost_minor=charge.cost_minor,
        failure_code=failure_code_of(status, ending.cause),
        hangup_cause=ending.cause,
        hangup_by=ending.by,
        sip_code=ending.sip_code,
        quality=ending.quality,
        dialog=call.dialog if step.keep_dialog else step.unfinished,
    )
    kind = EventKind.CALL_COMPLETED if status is CallStatus.COMPLETED else EventKind.CALL_FAILED
    return _Change(ended, kind, ending.at, charge.entry_id, step.reported_until)


def _event(change: _Change) -> tuple[Event, Sequence[Endpoint]]:
    call = change.call
    event = Event(
        id=uuid7(),
        workspace_id=call.workspace_id,
        mode=call.mode,
        kind=change.kind,
        call_id=call.id,
        number_id=call.number_id,
        sequence=call.event_sequence,
        data={**event_data(call, change.entry_id), "sequence": call.event_sequence},
        occurred_at=change.at,
    )
    urls = dict.fromkeys(url for url in (call.webhook_url, call.events_url) if url)
    return event, [Endpoint(url=url) for url in urls]


def first_seconds(max_duration_seconds: int) -> int:
    """The seconds of talk that a call's first hold covers."""
    return min(FIRST_HOLD_SECONDS, max_duration_seconds)


def _final_status(call: CallRecord, ending: Ending) -> CallStatus:
    if call.status is CallStatus.ANSWERED:
        return CallStatus.FAILED if ending.cause in _BREAKING else CallStatus.COMPLETED
    if call.status is CallStatus.QUEUED and ending.status not in (CallStatus.FAILED, CallStatus.CANCELED):
        return CallStatus.FAILED
    return ending.status
