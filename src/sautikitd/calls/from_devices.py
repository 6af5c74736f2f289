"""A call that a device makes: its row, for the workspace whose number the device calls as, or why there is none."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.errors import CallsPerSecondReached, ConcurrencyReached, WorkspaceSuspended
from sautikitd.calls.lifecycle import CallLifecycle, first_seconds
from sautikitd.calls.models import CallRecord
from sautikitd.calls.rates import frozen, outbound_rate
from sautikitd.calls.session_ids import SessionIds
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.numbering.destinations import Destination, authorise_destination
from sautikitd.numbering.emergency import is_emergency
from sautikitd.numbering.errors import EmergencyUnsupported
from sautikitd.numbers.lookup import number_of_device
from sautikitd.numbers.models import NumberRecord
from sautikitd.wallet.limits import SpendGuards
from sautikitd.wallet.models import Account
from sautikitd.wallet.prices import hold_amount
from sautikitd.wallet.service import Wallets

LEGS = 2  # the device's own, which is free, and the one to whom it calls


class DeviceDialled(msgspec.Struct, frozen=True, kw_only=True):
    """What a device dialled, as it wrote it (`0712 345 678` as well), and the number it calls as."""

    number_id: UUID
    dialled: str


class PlaceDeviceCall:
    """Everything that can refuse the call does so here, before anything is dialled, as for a call by the API."""

    def __init__(
        self,
        lifecycle: CallLifecycle,
        wallets: Wallets,
        sessions: SessionIds,
        clock: Clock,
        guards: SpendGuards | None = None,
    ) -> None:
        self._lifecycle = lifecycle
        self._wallets = wallets
        self._sessions = sessions
        self._clock = clock
        self._guards = guards

    async def place(self, connection: Connection, wish: DeviceDialled, node_id: UUID) -> CallRecord:
        """The call, `ringing` on `node_id`, with no leg yet to whom it calls. It is outbound, from the number.

        Raises `EmergencyUnsupported` before anything else; `NumberNotFound`, `NumberInactive`, `WorkspaceSuspended`,
        `Invalid`, `DestinationForbidden`, `NoTariff`, and what the wallet and its guards refuse with; and, for a
        moment only, `ConcurrencyReached` and `CallsPerSecondReached`.
        """
        if is_emergency(wish.dialled):
            raise EmergencyUnsupported
        number = await number_of_device(connection, wish.number_id)
        if await connection.fetchval(_SUSPENDED, number.workspace_id):
            raise WorkspaceSuspended
        settings = await repository.queue_settings(connection, number.workspace_id, number.mode)
        destination = authorise_destination(wish.dialled, settings.destination_prefixes, mode=number.mode)
        now = self._clock.now()
        await self._refuse_short_wallet(connection, number, destination, now)
        await self._take_turn(connection, number, now)
        columns = _columns(number, destination, now)
        columns["session_id"] = await self._sessions.take(connection)
        call = await repository.insert(connection, columns)
        await self._lifecycle.hold(connection, call)
        return await self._lifecycle.start(connection, call, now=now, node_id=node_id)

    async def _refuse_short_wallet(
        self, connection: Connection, number: NumberRecord, destination: Destination, now: datetime
    ) -> None:
        """Money is looked at here and held with the leg that costs some (contract §4.2)."""
        rate = await outbound_rate(connection, number.workspace_id, destination.e164, now)
        needed = hold_amount(first_seconds(_LONGEST_S), rate.per_minute_minor)
        account = Account(number.workspace_id, number.mode)
        if self._guards:
            await self._guards.authorise(connection, account, None, needed)
        await self._wallets.check_funds(connection, account, needed)

    @staticmethod
    async def _take_turn(connection: Connection, number: NumberRecord, now: datetime) -> None:
        """Both legs need a place among the calls at once, and the call a token of those a second."""
        queue = await connection.fetchrow(_LOCK_QUEUE, number.workspace_id, number.mode, now)
        live = await connection.fetchval(_LIVE, number.workspace_id, number.mode)
        if live + LEGS > queue["max_concurrent_calls"]:
            raise ConcurrencyReached(limit=queue["max_concurrent_calls"])
        if queue["filled"] < 1:
            raise CallsPerSecondReached(limit=queue["calls_per_second"])
        await connection.execute(_TAKE_TOKEN, number.workspace_id, number.mode, queue["filled"] - 1, now)


_LONGEST_S = 14_400


def _columns(number: NumberRecord, destination: Destination, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "workspace_id": number.workspace_id,
        "mode": number.mode,
        "number_id": number.id,
        "direction": "outbound",
        "from_address": number.e164,
        "to_address": destination.e164,
        "local_e164": number.e164,
        "remote_e164": destination.e164,
        "country": destination.country,
        "events_url": number.events_url,
        "record": "mono" if number.record_calls else None,
        **frozen(None),  # the device's own leg is free (contract §4.6)
        "max_duration_seconds": _LONGEST_S,
        "created_at": now,
        "updated_at": now,
    }


_SUSPENDED = "SELECT suspended_at IS NOT NULL FROM workspaces WHERE id = $1"

_LOCK_QUEUE = """
SELECT max_concurrent_calls, calls_per_second,
       least(greatest(calls_per_second, 1), tokens + extract(epoch FROM $3 - tokens_at) * calls_per_second) AS filled
FROM call_queues WHERE workspace_id = $1 AND mode = $2 FOR UPDATE
"""

# After the lock, in a statement of its own, so that it sees what whoever held the lock has committed.
_LIVE = """
SELECT count(*) FROM calls
WHERE workspace_id = $1 AND mode = $2 AND status IN ('ringing', 'answered') AND target_count = 1
"""

_TAKE_TOKEN = "UPDATE call_queues SET tokens = $3, tokens_at = $4 WHERE workspace_id = $1 AND mode = $2"
