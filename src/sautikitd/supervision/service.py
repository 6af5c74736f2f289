"""Supervisions from state to state, each step with its event, in the caller's one transaction.

The call is locked before its supervision; a step that has been made already is harmless to repeat.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import commands, event_numbers
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind, SupervisionPayload
from sautikitd.events.log import EventLog
from sautikitd.events.models import Endpoint, Event
from sautikitd.ids import uuid7
from sautikitd.supervision import repository
from sautikitd.supervision.errors import NotSupervised, SupervisionInProgress, SupervisorNotConnected
from sautikitd.supervision.models import (
    TRANSITIONS,
    SupervisionMode,
    SupervisionRecord,
    SupervisionState,
    show_supervision,
)

CALL_ENDED, STOPPED = "call_ended", "stopped"
_LINGERS = timedelta(seconds=5)
_AT_ONCE = 50


class Supervisions:
    def __init__(self, events: EventLog) -> None:
        self._events = events

    async def begin(
        self, connection: Connection, call: CallRecord, wish: dict[str, Any], now: datetime
    ) -> SupervisionRecord:
        """Of a locked, answered call; tells its node to dial the supervisor. Raises `SupervisionInProgress`.

        `wish` names columns of `supervisions`.
        """
        columns = {"id": uuid7(), "call_id": call.id, "created_at": now, **wish}
        begun = await repository.insert(connection, columns)
        if begun is None:
            other = await repository.newest_of(connection, call.id)
            raise SupervisionInProgress(supervision_id=other.id if other else "")
        await self._tell(connection, EventKind.CALL_SUPERVISION_STARTED, call, begun, now)
        await self._command(connection, CommandKind.SUPERVISION_START, begun, now)
        return begun

    async def change(
        self, connection: Connection, call: CallRecord, mode: SupervisionMode, now: datetime
    ) -> SupervisionRecord:
        """Raises `NotSupervised`, `SupervisorNotConnected`. The call is locked."""
        current = await repository.newest_of(connection, call.id)
        if current is None or current.state.over:
            raise NotSupervised
        if current.state is not SupervisionState.CONNECTED:
            raise SupervisorNotConnected(state=current.state.value)
        if current.supervision_mode is mode:
            return current
        changed = await repository.set_mode(connection, current.id, mode.value)
        await self._tell(connection, EventKind.CALL_SUPERVISION_CHANGED, call, changed, now)
        await self._command(connection, CommandKind.SUPERVISION_CHANGE, changed, now)
        return changed

    async def stop(self, connection: Connection, call: CallRecord, now: datetime) -> SupervisionRecord | None:
        """Tells the node to hang up on the supervisor; harmless where nobody supervises. The newest there was."""
        current = await repository.newest_of(connection, call.id)
        if current is not None and not current.state.over:
            await self._command(connection, CommandKind.SUPERVISION_STOP, current, now)
        return current

    async def newest(self, connection: Connection, call_id: UUID) -> SupervisionRecord | None:
        return await repository.newest_of(connection, call_id)

    async def find(self, connection: Connection, supervision_id: UUID) -> SupervisionRecord | None:
        return await repository.find(connection, supervision_id)

    async def ringing(
        self, connection: Connection, call: CallRecord, supervision_id: UUID, leg_id: UUID, now: datetime
    ) -> None:
        await self._move(connection, call, supervision_id, SupervisionState.RINGING, {"leg_id": leg_id}, now)

    async def connected(
        self, connection: Connection, call: CallRecord, supervision_id: UUID, now: datetime
    ) -> SupervisionRecord | None:
        """None when it was over meanwhile."""
        values = {"connected_at": now}
        return await self._move(
            connection, call, supervision_id, SupervisionState.CONNECTED, values, now, shown=True
        )

    async def ended(
        self,
        connection: Connection,
        call: CallRecord,
        supervision_id: UUID,
        state: SupervisionState,
        reason: str,
        now: datetime,
    ) -> SupervisionRecord | None:
        """`ended` or `failed`; one that was connected is always `ended`."""
        current = await repository.find(connection, supervision_id)
        if current is not None and current.state is SupervisionState.CONNECTED:
            state = SupervisionState.ENDED
        values = {"ended_at": now, "reason": reason[:200]}
        return await self._move(connection, call, supervision_id, state, values, now, shown=True)

    async def sweep(self, connection: Connection, now: datetime) -> int:
        """Ends what a dead node left behind; returns how many. Whoever is alive ends his own within seconds."""
        left = await repository.of_ended_calls(connection, now - _LINGERS, _AT_ONCE)
        for supervision_id in left:
            current = await repository.find(connection, supervision_id)
            call = await event_numbers.locked(connection, current.call_id) if current else None
            if call is not None:
                ended = SupervisionState.ENDED
                await self.ended(connection, call, supervision_id, ended, CALL_ENDED, now)
        return len(left)

    async def _move(
        self,
        connection: Connection,
        call: CallRecord,
        supervision_id: UUID,
        state: SupervisionState,
        values: dict[str, Any],
        now: datetime,
        *,
        shown: bool = False,
    ) -> SupervisionRecord | None:
        sources = [source.value for source, targets in TRANSITIONS.items() if state in targets]
        moved = await repository.move(connection, supervision_id, state, sources, values)
        if moved is not None and shown:
            over = EventKind.CALL_SUPERVISION_ENDED
            kind = over if moved.state.over else EventKind.CALL_SUPERVISION_CONNECTED
            await self._tell(connection, kind, call, moved, now)
        return moved

    async def _command(
        self, connection: Connection, kind: CommandKind, supervision: SupervisionRecord, now: datetime
    ) -> None:
        payload = {"supervision_id": str(supervision.id), "mode": supervision.supervision_mode.value}
        await commands.give(connection, supervision.call_id, kind, now, payload)

    async def _tell(
        self,
        connection: Connection,
        kind: EventKind,
        call: CallRecord,
        supervision: SupervisionRecord,
        now: datetime,
    ) -> None:
        sequence = await event_numbers.next_sequence(connection, call.id)
        shown = show_supervision(supervision, call.session_id)
        payload = SupervisionPayload(
            call_id=call.id,
            session_id=call.session_id,
            number_id=call.number_id,
            sequence=sequence,
            supervision_id=supervision.id,
            mode=shown.mode,
            state=shown.state,
            supervision=msgspec.to_builtins(shown),
            client_request_id=call.client_request_id,
        )
        event = Event(
            id=uuid7(),
            workspace_id=call.workspace_id,
            mode=call.mode,
            kind=kind,
            call_id=call.id,
            number_id=call.number_id,
            sequence=sequence,
            data=msgspec.to_builtins(payload),
            occurred_at=now,
        )
        urls = dict.fromkeys(url for url in (call.webhook_url, call.events_url) if url)
        await self._events.record(connection, event, [Endpoint(url=url) for url in urls])
