"""A leg that a running call dials: a call of its own, refused, or paid for and ready to be dialled, in one transaction."""

from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import queue, repository
from sautikitd.calls.addresses import DeviceClass, is_device_address
from sautikitd.calls.claiming import Prepare
from sautikitd.calls.errors import CallNotLive, ConcurrencyReached, ForwardToOurselves
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.rates import frozen, outbound_rate
from sautikitd.calls.session_ids import SessionIds
from sautikitd.calls.steps import Ending
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.numbering.destinations import Destination, authorise_destination
from sautikitd.numbers.lookup import is_of_the_platform, number_for_call
from sautikitd.trunks.allocation import NoWay, allocate
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.tariffs import Rate, rate_for


class LegWish(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to dial. `leg_id` is the caller's choice, so that a leg whose commit is unsure can be ended by it.

    `caller_id` must be an active number of the workspace; None is the call's own. `forwarded` refuses the
    platform's own numbers. `to` may also be a device (`client:…`, `sip:…`), which is shown who calls, needs no
    trunk and is priced by `device_class`; whether it may be rung is decided where its address is known. `for_leg` is the
    leg who waits for it, where that is not the parent: it has been handed on by him, and he may be gone.
    """

    leg_id: UUID
    to: str
    timeout_s: int
    max_duration_s: int
    caller_id: str | None = None
    forwarded: bool = False
    device_class: DeviceClass = "sip"
    for_leg: UUID | None = None


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a leg's row says of whom it goes to."""

    address: str
    country: str | None
    caller: str
    rate: Rate | None  # None: free
    by_trunk: bool


class AddLeg:
    def __init__(self, lifecycle: CallLifecycle, sessions: SessionIds, clock: Clock) -> None:
        self._lifecycle = lifecycle
        self._sessions = sessions
        self._clock = clock

    async def add(
        self, connection: Connection, parent: CallRecord, wish: LegWish, *, node_id: UUID, prepare: Prepare
    ) -> CallRecord:
        """The leg, `ringing` with its money held and its slot taken, or `failed` where the wallet or the trunks
        could not bear it. Everything else that speaks against it raises a `Refusal`, and there is no leg.

        Locks the workspace's limits, then the call, then the wallet, as a claim from the queue does.
        """
        target = await self._target(connection, parent, wish)
        return await self._enter(connection, parent, wish, target, node_id, prepare)

    async def add_stream(
        self, connection: Connection, parent: CallRecord, leg_id: UUID, address: str, *, node_id: UUID
    ) -> CallRecord | None:
        """The leg of a stream to a WebSocket, as `add` has it, where the tariff has a price for streams. None where they
        are free: then there is no leg."""
        rate = await rate_for(connection, parent.workspace_id, "stream", "", self._clock.now())
        if rate is None or rate.per_minute_minor == 0:
            return None
        longest = parent.max_duration_seconds
        wish = LegWish(leg_id=leg_id, to=address, timeout_s=_CONNECTS_WITHIN_S, max_duration_s=longest)
        target = _Target(address=address, country=None, caller=parent.local_e164, rate=rate, by_trunk=False)
        return await self._enter(connection, parent, wish, target, node_id, None)

    async def _enter(
        self,
        connection: Connection,
        parent: CallRecord,
        wish: LegWish,
        target: _Target,
        node_id: UUID,
        prepare: Prepare | None,
    ) -> CallRecord:
        most = await connection.fetchval(_LOCK_LIMITS, parent.workspace_id, parent.mode)
        await self._refuse_ended(connection, wish.for_leg or parent.id)
        if await connection.fetchval(_LIVE, parent.workspace_id, parent.mode) >= most:
            raise ConcurrencyReached(limit=most)
        session = await self._sessions.take(connection)
        columns = self._columns(parent, wish, target) | {"session_id": session}
        leg = await repository.insert(connection, columns)
        return await self._ready(connection, leg, node_id, prepare, by_trunk=target.by_trunk)

    async def check(self, connection: Connection, parent: CallRecord, wish: LegWish) -> int:
        """What a minute would cost. Raises what `add` would refuse for its destination, its caller and its tariff."""
        rate = (await self._target(connection, parent, wish)).rate
        return rate.per_minute_minor if rate else 0

    async def _target(self, connection: Connection, parent: CallRecord, wish: LegWish) -> _Target:
        if is_device_address(wish.to):
            return await self._device(connection, parent, wish)
        destination = await self._authorise(connection, parent, wish)
        caller = await self._caller(connection, parent, wish.caller_id)
        rate = await outbound_rate(connection, parent.workspace_id, destination.e164, self._clock.now())
        return _Target(
            address=destination.e164,
            country=destination.country,
            caller=caller,
            rate=rate,
            by_trunk=True,
        )

    async def _device(self, connection: Connection, parent: CallRecord, wish: LegWish) -> _Target:
        """Free unless the operator has a tariff for it. A device sees the true caller of an inbound call."""
        calling = parent.from_address if parent.direction == "inbound" else parent.local_e164
        if wish.caller_id is not None:
            calling = await self._caller(connection, parent, wish.caller_id)
        now = self._clock.now()
        rate = await rate_for(connection, parent.workspace_id, wish.device_class, "", now)
        return _Target(
            address=wish.to,
            country=None,
            caller=calling,
            rate=rate,
            by_trunk=False,
        )

    async def _authorise(self, connection: Connection, parent: CallRecord, wish: LegWish) -> Destination:
        settings = await repository.queue_settings(connection, parent.workspace_id, parent.mode)
        destination = authorise_destination(wish.to, settings.destination_prefixes, mode=parent.mode)
        if wish.forwarded and await is_of_the_platform(connection, parent.mode, destination.e164):
            raise ForwardToOurselves(number=destination.e164)
        return destination

    async def _caller(self, connection: Connection, parent: CallRecord, wanted: str | None) -> str:
        number = await number_for_call(
            connection, parent.workspace_id, parent.mode, wanted or parent.local_e164, pointer="/callerId"
        )
        return number.e164

    async def _refuse_ended(self, connection: Connection, call_id: UUID) -> None:
        """Somebody else may have ended the call: a command, or the reaper of a node whose lease lapsed."""
        current = await repository.lock(connection, call_id)
        if current is None or current.status.terminal:
            raise CallNotLive(state=current.status if current else "unknown")

    async def _ready(
        self,
        connection: Connection,
        leg: CallRecord,
        node_id: UUID,
        prepare: Prepare | None,
        *,
        by_trunk: bool,
    ) -> CallRecord:
        now = self._clock.now()
        trunk_id = None
        if leg.mode == "live" and by_trunk:
            (trunk_id,) = await allocate(connection, [leg.remote_e164], now)
            if isinstance(trunk_id, NoWay):
                return await self._fail(connection, leg, queue.cause_of(trunk_id))
        try:
            if by_trunk or leg.rate_per_minute_minor:  # inbound calls reach our own devices at any balance
                await self._lifecycle.hold(connection, leg)
        except InsufficientFunds as exc:
            return await self._fail(connection, leg, queue.refusal_cause(exc))
        dialog = prepare(msgspec.structs.replace(leg, trunk_id=trunk_id)) if prepare else None
        return await self._lifecycle.start(
            connection, leg, now=now, node_id=node_id, trunk_id=trunk_id, dialog=dialog
        )

    async def _fail(self, connection: Connection, leg: CallRecord, cause: HangupCause) -> CallRecord:
        ending = Ending(cause=cause, by=HangupBy.PLATFORM, at=self._clock.now())
        ended = await self._lifecycle.end(connection, leg.id, ending)
        return ended[0] if ended else leg

    def _columns(self, parent: CallRecord, wish: LegWish, target: _Target) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "id": wish.leg_id,
            "workspace_id": parent.workspace_id,
            "mode": parent.mode,
            "parent_call_id": parent.id,
            "number_id": parent.number_id,
            "direction": "outbound",
            "from_address": target.caller,
            "to_address": target.address,
            "local_e164": parent.local_e164,
            "remote_e164": target.address,
            "country": target.country,
            "webhook_url": parent.webhook_url,
            "events_url": parent.events_url,
            "timeout_seconds": wish.timeout_s,
            "max_duration_seconds": wish.max_duration_s,
            **frozen(target.rate),
            "client_request_id": parent.client_request_id,
            "metadata": parent.metadata,
            "api_key_id": parent.api_key_id,
            "created_at": now,
            "updated_at": now,
        }


_CONNECTS_WITHIN_S = 10

_LOCK_LIMITS = """
SELECT max_concurrent_calls FROM call_queues WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
"""

# After the lock, in a statement of its own, so that it sees what whoever held the lock has committed.
_LIVE = """
SELECT count(*) FROM calls
WHERE workspace_id = $1 AND mode = $2 AND status IN ('ringing', 'answered') AND target_count = 1
"""
