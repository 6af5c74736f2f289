"""A call that comes in: its row, for the workspace whose number was called."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.errors import WorkspaceSuspended
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import CallRecord
from sautikitd.calls.rates import frozen, inbound_rate
from sautikitd.calls.session_ids import SessionIds
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.numbers.lookup import number_called
from sautikitd.numbers.models import NumberRecord
from sautikitd.trunks.allocation import admit
from sautikitd.wallet.tariffs import Rate


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls whom, over which trunk. `caller` is E.164 where he shows a number."""

    called: str
    caller: str
    country: str | None
    trunk_id: UUID | None


class ReceiveInboundCall:
    def __init__(self, lifecycle: CallLifecycle, sessions: SessionIds, clock: Clock) -> None:
        self._lifecycle = lifecycle
        self._sessions = sessions
        self._clock = clock

    async def receive(self, connection: Connection, arrival: Arrival, node_id: UUID) -> CallRecord:
        """The call, `ringing` on `node_id`. It is taken at any balance (contract §4.6).

        Raises `NumberNotFound`, `NumberInactive`, `WorkspaceSuspended` and `TrunkFull`.
        """
        number = await number_called(connection, arrival.called)
        if await connection.fetchval(_SUSPENDED, number.workspace_id):
            raise WorkspaceSuspended
        now = self._clock.now()
        if arrival.trunk_id is not None:
            await admit(connection, arrival.trunk_id, now)
        rate = await inbound_rate(connection, number.workspace_id, arrival.caller, now)
        columns = inbound_columns(number, arrival.caller, arrival.country, rate, now) | {
            "session_id": await self._sessions.take(connection),
            "trunk_id": arrival.trunk_id,
        }
        call = await repository.insert(connection, columns)
        return await self._lifecycle.start(connection, call, now=now, node_id=node_id)


def inbound_columns(
    number: NumberRecord, caller: str, country: str | None, rate: Rate | None, now: datetime
) -> dict[str, Any]:
    """What an inbound call takes from the number it arrives at, and its price."""
    return {
        "id": uuid7(),
        "workspace_id": number.workspace_id,
        "mode": number.mode,
        "number_id": number.id,
        "direction": "inbound",
        "from_address": caller,
        "to_address": number.e164,
        "local_e164": number.e164,
        "remote_e164": caller,
        "country": country,
        "events_url": number.events_url,
        "voice_callback_url": number.voice_callback_url,
        "voice_method": number.voice_method,
        "fallback_url": number.fallback_url,
        "status_callback_url": number.status_callback_url,
        "callback_format": number.callback_format,
        "forward_to": number.forward_to,
        "record": "mono" if number.record_calls else None,
        **frozen(rate),
        "created_at": now,
        "updated_at": now,
    }


_SUSPENDED = "SELECT suspended_at IS NOT NULL FROM workspaces WHERE id = $1"
