"""A call's way from status to status. State, event and money change in the caller's one transaction.

Every step locks the call, then the wallet, looks where the call is, and does nothing when it is already
past that step: a step whose commit was never confirmed may simply be run again.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sautikitd.calls import repository
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause, failure_code_of
from sautikitd.calls.views import event_data
from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint, Event
from sautikitd.ids import uuid7
from sautikitd.wallet.errors import CostAboveHold
from sautikitd.wallet.limits import SpendGuards
from sautikitd.wallet.models import Account, Cause, Details, EntryType
from sautikitd.wallet.prices import affordable_seconds, call_cost, hold_amount
from sautikitd.wallet.service import Wallets

FIRST_HOLD_SECONDS = 60

# Causes that make an answered call a failed one; every other end of an answered call is a completed call.
_BREAKING = {HangupCause.MEDIA_TIMEOUT, HangupCause.NODE_LOST, HangupCause.MEDIA_LOST}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a call ended. `status` is for calls that were never answered."""

    cause: HangupCause
    by: HangupBy
    at: datetime
    status: CallStatus = CallStatus.FAILED
    sip_code: int | None = None
    quality: dict[str, Any] | None = None


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

    async def start(
        self, connection: Connection, call: CallRecord, *, now: datetime, **columns: Any
    ) -> CallRecord:
        """queued → ringing, of a call that is locked: the INVITE is about to be sent. Emits `call.started`."""
        values = {"status": CallStatus.RINGING, "started_at": now, "updated_at": now, **columns}
        started = await repository.update(connection, call.id, values, counts=True)
        await self.emit(connection, started, EventKind.CALL_STARTED, now)
        return started

    async def hold(self, connection: Connection, call: CallRecord) -> None:
        """Holds enough for the first minute, or less if the call may not last one. Raises `InsufficientFunds`.

        A free leg holds nothing, but a wallet below zero bears no outbound call at all.
        """
        amount = hold_amount(first_seconds(call.max_duration_seconds), call.rate_per_minute_minor)
        if self._guards:
            await self._guards.authorise_dial(connection, account_of(call), call.api_key_id, amount)
        await self._wallets.hold(connection, account_of(call), cause_of(call.id), amount)

    async def alert(self, connection: Connection, call_id: UUID, at: datetime) -> CallRecord | None:
        """The far end rings (180 or 183). Emits `call.ringing`, once."""
        values = {"ringing_at": at, "updated_at": at}
        ringing = await repository.advance(connection, call_id, CallStatus.RINGING, values, once="ringing_at")
        if ringing is None:
            return await repository.lock(connection, call_id)
        await self.emit(connection, ringing, EventKind.CALL_RINGING, at)
        return ringing

    async def answer(
        self, connection: Connection, call_id: UUID, at: datetime, dialog: dict[str, Any] | None
    ) -> CallRecord | None:
        """ringing → answered. The caller looks at the status returned: a terminal one means it came too late."""
        values: dict[str, Any] = {"status": CallStatus.ANSWERED, "answered_at": at, "updated_at": at}
        if dialog is not None:
            values["dialog"] = dialog
        answered = await repository.advance(connection, call_id, CallStatus.RINGING, values)
        if answered is None:
            return await repository.lock(connection, call_id)
        await self.emit(connection, answered, EventKind.CALL_ANSWERED, at)
        return answered

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
        """Any live status → a terminal one: settles or releases the hold and emits the one final event.

        Returns the call and whether this was what ended it; None when there is no such call.
        `keep_dialog` leaves what a BYE needs for whoever sends it.
        """
        call = await repository.lock(connection, call_id)
        if call is None:
            return None
        if call.status.terminal:
            return call, False
        status = _final_status(call, ending)
        seconds, cost = 0, 0
        if call.answered_at:
            spoken = max(0, math.ceil((ending.at - call.answered_at).total_seconds()))
            seconds, cost = await self._settle(connection, call, spoken)
        else:
            await self._wallets.release(connection, cause_of(call.id))
        values: dict[str, Any] = {
            "status": status,
            "ended_at": max(ending.at, call.answered_at or ending.at),
            "updated_at": ending.at,
            "billed_seconds": seconds if call.answered_at else None,
            "cost_minor": cost,
            "failure_code": failure_code_of(status, ending.cause),
            "hangup_cause": ending.cause,
            "hangup_by": ending.by,
            "sip_code": ending.sip_code,
            "quality": ending.quality,
        }
        if not keep_dialog:
            values["dialog"] = None
        ended = await repository.update(connection, call_id, values, counts=True)
        kind = EventKind.CALL_COMPLETED if status is CallStatus.COMPLETED else EventKind.CALL_FAILED
        await self.emit(connection, ended, kind, ending.at)
        return ended, True

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
        if self._guards:
            held = await self._wallets.held(connection, cause_of(call_id))
            allowed = await self._guards.seconds_allowed(
                connection,
                account_of(call),
                call.api_key_id,
                held_minor=held,
                wanted_seconds=wanted_seconds,
                rate_per_minute=rate,
            )
        coverage = await self._wallets.extend_hold(connection, cause_of(call_id), allowed, rate)
        capped = coverage.seconds >= allowed  # the wallet would have borne more
        return Covered(
            seconds=coverage.seconds,
            short_of=HangupCause.SPEND_LIMIT if capped else HangupCause.INSUFFICIENT_FUNDS,
        )

    async def _settle(self, connection: Connection, call: CallRecord, spoken: int) -> tuple[int, int]:
        """Charges the leg what its seconds cost; returns the billed seconds and the charge.

        Never more than was held: seconds that nothing was held for are not billed.
        """
        if call.direction == "inbound" or call.is_parent:
            return spoken, 0
        if call.rate_per_minute_minor == 0:  # a free leg need not have been held for
            await self._wallets.release(connection, cause_of(call.id))
            return spoken, 0
        try:
            return spoken, await self._charge(connection, call, spoken)
        except CostAboveHold as short:
            covered = affordable_seconds(short.held_minor, call.rate_per_minute_minor) or 0
            return covered, await self._charge(connection, call, covered)

    async def _charge(self, connection: Connection, call: CallRecord, seconds: int) -> int:
        cost = call_cost(seconds, call.rate_per_minute_minor)
        description = f"Call {call.session_id} to {call.to_address}, {seconds} s"
        details = Details(
            description=description, reference=call.session_id, call_id=call.id, number_id=call.number_id
        )
        entry = await self._wallets.settle(connection, cause_of(call.id), cost, details)
        if self._guards and entry:
            await self._guards.record_spent(
                connection, account_of(call), call.api_key_id, -entry.amount_minor
            )
        return -entry.amount_minor if entry else 0

    async def emit(self, connection: Connection, call: CallRecord, kind: EventKind, at: datetime) -> None:
        event = Event(
            id=uuid7(),
            workspace_id=call.workspace_id,
            mode=call.mode,
            kind=kind,
            call_id=call.id,
            number_id=call.number_id,
            sequence=call.event_sequence,
            data={**event_data(call), "sequence": call.event_sequence},
            occurred_at=at,
        )
        urls = dict.fromkeys(url for url in (call.webhook_url, call.events_url) if url)
        await self._events.record(connection, event, [Endpoint(url=url) for url in urls])


def first_seconds(max_duration_seconds: int) -> int:
    """The seconds of talk that a call's first hold covers."""
    return min(FIRST_HOLD_SECONDS, max_duration_seconds)


def account_of(call: CallRecord) -> Account:
    return Account(call.workspace_id, call.mode)


def cause_of(call_id: UUID) -> Cause:
    return Cause(EntryType.CALL, str(call_id))


def _final_status(call: CallRecord, ending: Ending) -> CallStatus:
    if call.status is CallStatus.ANSWERED:
        return CallStatus.FAILED if ending.cause in _BREAKING else CallStatus.COMPLETED
    if call.status is CallStatus.QUEUED and ending.status not in (CallStatus.FAILED, CallStatus.CANCELED):
        return CallStatus.FAILED
    return ending.status
