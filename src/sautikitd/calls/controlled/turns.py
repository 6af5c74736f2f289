"""The turns of controlled calls: opened and closed by the node that runs the call, answered through the API.

Whoever closes a turn first decides: the row's `closed_at`, under the call's lock, settles every race between an answer
and the end of its time.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import commands, repository
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.controlled.errors import TurnOver
from sautikitd.calls.controlled.models import ControlEvent, ControlEventKind, OpenedTurn
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.calls.views import duration_of
from sautikitd.database.pool import Connection, Record
from sautikitd.timestamps import rfc3339

CHANNEL = "control_events"
"""The NOTIFY channel that wakes those who wait for control events."""


async def open_turn(
    connection: Connection, call_id: UUID, data: dict[str, Any], timeout_ms: int, now: datetime
) -> OpenedTurn | None:
    """A new turn, in the place of any that is open; None when the call has ended."""
    call = await repository.lock(connection, call_id)
    if call is None or call.status.terminal:
        return None
    await close_all(connection, call_id, now)
    before = now + timedelta(milliseconds=timeout_ms)
    sequence: int = await connection.fetchval(_ADD, call_id, ControlEventKind.TURN, data, now, before)
    return OpenedTurn(sequence, before)


async def give_up(
    connection: Connection, call_id: UUID, turn: int, now: datetime, *, last: bool
) -> list[Any] | None:
    """Closes a turn whose time is over, and tells so; the actions when it was answered in the last moment.

    `last`: the fallback comes next, and no further turn.
    """
    call = await repository.lock(connection, call_id)
    row = await connection.fetchrow(_CLOSE, call_id, turn, now)
    if row is None:
        answered: list[Any] | None = await connection.fetchval(_RESPONSE, call_id, turn)
        return answered
    if call is not None and not call.status.terminal:
        kind = ControlEventKind.FALLBACK if last else ControlEventKind.TIMEOUT
        await connection.fetchval(_ADD, call_id, kind, {"turn": turn}, now, None)
    return None


async def close_all(connection: Connection, call_id: UUID, now: datetime) -> None:
    """Closes what is open: a new flow has taken the place of the one that asked."""
    await connection.execute(_CLOSE_ALL, call_id, now)


async def respond(
    connection: Connection, call: CallRecord, turn: int | None, actions: list[Any], now: datetime
) -> int:
    """Answers the open turn of a locked, live call and tells its node; which one it was. Raises `TurnOver`."""
    answered: int | None = await connection.fetchval(_ANSWER, call.id, turn, actions, now)
    if answered is None:
        raise TurnOver(turn="" if turn is None else turn)
    payload = {"turn": answered, "actions": actions}
    await commands.give(connection, call.id, CommandKind.CONTROL_RESPOND, now, payload)
    return answered


async def events_after(
    connection: Connection, call: CallRecord, sequence: int, limit: int
) -> list[ControlEvent]:
    """What came after `sequence`, in order; when the call has ended, the last one says so.

    `call` must have been read before, so that nothing can follow an `ended`.
    """
    rows = await connection.fetch(_AFTER, call.id, sequence, limit)
    events = [_shown(row) for row in rows]
    if call.status.terminal and len(rows) < limit:
        last: int = await connection.fetchval(_LAST, call.id)
        if sequence <= last:
            events.append(_end_of(call, last + 1))
    return events


def _shown(row: Record) -> ControlEvent:
    data = dict(row["data"])
    data.pop("sensitive", None)
    if row["kind"] == ControlEventKind.TURN:
        data |= {"turn": row["sequence"], "respond_before": rfc3339(row["respond_before"])}
    data |= {"sequence": row["sequence"], "kind": row["kind"], "at": rfc3339(row["created_at"])}
    return msgspec.convert(data, ControlEvent)


def _end_of(call: CallRecord, sequence: int) -> ControlEvent:
    return ControlEvent(
        sequence=sequence,
        kind=ControlEventKind.ENDED,
        at=rfc3339(call.ended_at or call.updated_at),
        status=call.status.value,
        hangup_cause=call.hangup_cause or "",
        duration_seconds=duration_of(call) if call.status is CallStatus.COMPLETED else None,
    )


_ADD = """
INSERT INTO control_events (call_id, sequence, kind, data, created_at, respond_before)
SELECT $1, coalesce(max(sequence), 0) + 1, $2, $3, $4, $5 FROM control_events WHERE call_id = $1
RETURNING sequence
"""

# Digits typed in confidence are kept no longer than the controller needs them (contract §12, Privacy).
_MASKED = """
data = CASE WHEN data ? 'sensitive'
            THEN jsonb_set(data, '{digits}', to_jsonb(regexp_replace(data->>'digits', '.', '*', 'g'))) ELSE data END
"""

_CLOSE = f"""
UPDATE control_events SET closed_at = $3, {_MASKED}
WHERE call_id = $1 AND sequence = $2 AND closed_at IS NULL RETURNING sequence
"""

_CLOSE_ALL = f"""
UPDATE control_events SET closed_at = $2, {_MASKED} WHERE call_id = $1 AND kind = 'turn' AND closed_at IS NULL
"""

_ANSWER = f"""
UPDATE control_events SET closed_at = $4, answered = true, response = $3, {_MASKED}
WHERE call_id = $1 AND kind = 'turn' AND closed_at IS NULL AND ($2::int IS NULL OR sequence = $2)
RETURNING sequence
"""

_RESPONSE = "SELECT response FROM control_events WHERE call_id = $1 AND sequence = $2 AND answered"

_AFTER = """
SELECT sequence, kind, data, created_at, respond_before FROM control_events
WHERE call_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""

_LAST = "SELECT coalesce(max(sequence), 0) FROM control_events WHERE call_id = $1"
