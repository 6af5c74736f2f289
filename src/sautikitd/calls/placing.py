"""Placing a call: everything that can refuse it does so here, before anything is dialled."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.controlled.models import DEFAULT_TIMEOUT_MS, Control
from sautikitd.calls.errors import QueueFull
from sautikitd.calls.lifecycle import first_seconds
from sautikitd.calls.models import CallRecord
from sautikitd.calls.rates import frozen, known_rates
from sautikitd.calls.requests import PlaceCall
from sautikitd.calls.session_ids import SessionIds
from sautikitd.clock import Clock
from sautikitd.database.asking import Question, ask
from sautikitd.database.pool import Connection
from sautikitd.identity.principal import Principal
from sautikitd.ids import uuid7
from sautikitd.numbering.destinations import Destination, open_destinations, read_destination
from sautikitd.numbers.lookup import NumberForCall
from sautikitd.numbers.models import NumberRecord
from sautikitd.wallet.errors import NoWallet
from sautikitd.wallet.limits import SpendGuards
from sautikitd.wallet.models import Account
from sautikitd.wallet.prices import hold_amount
from sautikitd.wallet.service import Wallets, refuse_short
from sautikitd.wallet.tariffs import Rate, asked_rate


class PlaceOutboundCall:
    def __init__(
        self,
        sessions: SessionIds,
        clock: Clock,
        guards: SpendGuards | None = None,
    ) -> None:
        self._guards = guards
        self._sessions = sessions
        self._clock = clock

    async def place(self, connection: Connection, principal: Principal, wish: PlaceCall) -> CallRecord:
        """Queues the call. Raises 402, 403, 404, 409 and 429 refusals as §4.1 says, with nothing changed."""
        numbers = {
            pointer: read_destination(target, mode=principal.mode, pointer=pointer)
            for pointer, target in _by_place(wish)
        }
        own = NumberForCall(principal, wish.from_, pointer="/from")
        shown = NumberForCall(principal, wish.caller_id, pointer="/caller_id") if wish.caller_id else own
        queue = repository.asked_queue(principal.workspace_id, principal.mode)
        funds = _Funds(
            principal, wish, {place: one.e164 for place, one in numbers.items()}, self._clock.now()
        )
        others = [shown.question] if wish.caller_id else []
        await ask(connection, queue, own.question, *others, *funds.questions)
        assert queue.answer is not None  # every workspace has one
        destinations = open_destinations(numbers, queue.answer.destination_prefixes)
        number, caller = own.found(), shown.found()
        await funds.refuse_short(connection, self._guards)
        if queue.answer.waiting >= queue.answer.max_queued_calls:
            raise QueueFull(limit=queue.answer.max_queued_calls)
        return await self._insert(connection, principal, wish, number, caller, destinations, funds.rates)

    async def _insert(
        self,
        connection: Connection,
        principal: Principal,
        wish: PlaceCall,
        number: NumberRecord,
        caller: NumberRecord,
        destinations: Sequence[Destination],
        rates: Sequence[Rate],
    ) -> CallRecord:
        together = len(destinations) > 1
        shared = self._columns(principal, wish, number, caller)
        call = await self._insert_one(
            connection,
            shared | {"target_count": len(destinations)} | frozen(None if together else rates[0]),
            destinations[0],
            to_address=",".join(destination.e164 for destination in destinations),
            parent=None,
        )
        if together:
            for destination, rate in zip(destinations, rates, strict=True):  # at most ten
                leg = shared | {"target_count": 1} | frozen(rate)
                await self._insert_one(
                    connection, leg, destination, to_address=destination.e164, parent=call.id
                )
        return call

    async def _insert_one(
        self,
        connection: Connection,
        columns: dict[str, Any],
        destination: Destination,
        *,
        to_address: str,
        parent: UUID | None,
    ) -> CallRecord:
        session = await self._sessions.take(connection)
        own = {
            "id": uuid7(),
            "session_id": session,
            "parent_call_id": parent,
            "to_address": to_address,
            "remote_e164": destination.e164,
            "country": destination.country,
        }
        return await repository.insert(connection, columns | own)

    def _columns(
        self, principal: Principal, wish: PlaceCall, number: NumberRecord, caller: NumberRecord
    ) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "workspace_id": principal.workspace_id,
            "mode": principal.mode,
            "number_id": number.id,
            "direction": "outbound",
            "from_address": caller.e164,
            "local_e164": number.e164,
            "webhook_url": wish.webhook_url,
            "events_url": number.events_url,
            "voice_callback_url": wish.voice_callback_url or number.voice_callback_url,
            "voice_method": number.voice_method,
            "fallback_url": wish.fallback_url or number.fallback_url,
            "status_callback_url": wish.status_callback_url or number.status_callback_url,
            "callback_format": wish.callback_format or number.callback_format,
            "actions": wish.actions,
            "timeout_seconds": wish.timeout_seconds,
            "max_duration_seconds": wish.max_duration_seconds,
            "record": wish.channels or ("mono" if number.record_calls else None),
            "send_digits": wish.send_digits,
            "machine_detection": wish.machine_detection,
            "client_request_id": wish.client_request_id,
            "metadata": wish.metadata,
            "api_key_id": principal.id,
            "expires_at": now + timedelta(seconds=wish.expires_in_seconds),
            "created_at": now,
            "updated_at": now,
            **_controlled(wish),
        }


class _Funds:
    """What the first minute of a call comes to, and whether the wallet and the caps bear it. Money is checked for one
    call when it is placed, and held when it is dialled (§4.2)."""

    def __init__(
        self, principal: Principal, wish: PlaceCall, callees: Mapping[str, str], now: datetime
    ) -> None:
        self._account = Account(principal.workspace_id, principal.mode)
        self._key_id = principal.id
        self._seconds = first_seconds(wish.max_duration_seconds)
        self._callees = callees
        self._rates = [asked_rate(principal.workspace_id, "outbound", one, now) for one in callees.values()]
        self._standing = SpendGuards.asked(self._account, self._key_id)
        self._balance = Wallets.asked_balance(self._account)
        self.questions: list[Question[Any]] = [*self._rates, self._standing, self._balance]

    @property
    def rates(self) -> list[Rate]:
        """Raises `NoTariff`."""
        return known_rates([rate.answer for rate in self._rates], self._callees)

    async def refuse_short(self, connection: Connection, guards: SpendGuards | None) -> None:
        """Raises `NoTariff`, `OutboundPaused`, `SpendLimit` and `InsufficientFunds`."""
        needed = sum(hold_amount(self._seconds, rate.per_minute_minor) for rate in self.rates)
        standing, balance = self._standing.answer, self._balance.answer
        if guards and standing:
            await guards.judge(connection, self._account, self._key_id, needed, standing)
        if balance is None:
            raise NoWallet(self._account)
        refuse_short(balance, needed)


def _controlled(wish: PlaceCall) -> dict[str, Any]:
    """A controlled call asks nobody else: the number's callback and fallback are not for it."""
    if wish.control is None:
        return {}
    control = Control(
        timeout_ms=wish.control_timeout_ms or DEFAULT_TIMEOUT_MS,
        hold_audio_url=wish.hold_audio_url,
        opening_actions=wish.opening_actions,
        fallback_actions=wish.fallback_actions,
    )
    nobody = dict.fromkeys(("voice_callback_url", "fallback_url", "status_callback_url"))
    return {"control": msgspec.to_builtins(control), **nobody}


def _by_place(wish: PlaceCall) -> Iterator[tuple[str, str]]:
    """What is to be called, and where it stands in the request."""
    if isinstance(wish.to, str):
        yield "/to", wish.to
    else:
        yield from ((f"/to/{index}", target) for index, target in enumerate(wish.to))
