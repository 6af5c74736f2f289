"""The queue: calls are rows, and a voice node with room claims them, fairly and within the limits.

A turn goes to the workspace that has waited longest since its last one, live before test, if it has a
token (calls a second) and a free slot (calls at once). The slots are counted from the calls themselves,
so none can leak. The claim commits before the INVITE leaves, and a claimed call is never claimed again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.lifecycle import CallLifecycle, Ending
from sautikitd.calls.models import COLUMNS, CallRecord, record_of
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.database.pool import Connection
from sautikitd.trunks.allocation import NoWay, allocate
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.limits import PausedAtDial, StoppedAtDial

CHANNEL = "calls"
"""The NOTIFY channel that wakes voice nodes when a call is queued."""

LOOK_AGAIN_AFTER = timedelta(milliseconds=200)
"""How long a workspace is passed over whose oldest call found every trunk full."""


@dataclass(frozen=True)
class Claimed:
    """A call to run, with the legs to dial: itself, or its children when several targets ring together."""

    call: CallRecord
    legs: Sequence[CallRecord]


# Makes what a CANCEL or BYE from another process will need, stored with the claim.
Prepare = Callable[[CallRecord], dict[str, Any] | None]


async def anything_waits(connection: Connection) -> bool:
    """Whether any call is queued: asked before a claim, which takes a transaction and far more of the database."""
    return await connection.fetchrow(_WAITING) is not None


async def claim(
    connection: Connection,
    lifecycle: CallLifecycle,
    *,
    node_id: UUID,
    room: int,
    now: datetime,
    prepare: Prepare,
) -> Claimed | None:
    """Claims the next call for `node_id`, which can take `room` more legs; None when nothing can start now.

    The whole claim is one transaction of the caller's. A call that cannot be paid for or has no trunk
    ends here, as `failed`, and comes back with no legs; one for which every trunk is full stays in the queue, and its
    workspace is passed over for a moment, so that the others get their turns.
    """
    turn = await connection.fetchrow(_NEXT_TURN, now, room)
    if turn is None:
        return None
    row = await connection.fetchrow(_OLDEST, turn["workspace_id"], turn["mode"])
    if row is None:
        return None
    call = record_of(row)
    legs = await _legs_of(connection, call)
    trunks = await _trunks_for(connection, call, legs, now) if not turn["suspended_at"] else []
    if NoWay.FULL in trunks:
        until = now + LOOK_AGAIN_AFTER
        await connection.execute(_WAIT, call.workspace_id, call.mode, until)
        return Claimed(call, [])
    await connection.execute(
        _TAKE_TURN, turn["workspace_id"], turn["mode"], turn["filled"] - call.target_count, now
    )
    if turn["suspended_at"]:
        return await _refuse(connection, lifecycle, call, HangupCause.SUSPENDED, now)
    dialled, cause = [], HangupCause.NO_TRUNK
    for leg, trunk in zip(legs, trunks, strict=True):  # at most ten; each has its own hold
        outcome = await _dial(connection, lifecycle, leg, node_id, trunk, now, prepare)
        if isinstance(outcome, HangupCause):
            cause = outcome
        else:
            dialled.append(outcome)
    if not call.is_parent:
        return Claimed(dialled[0] if dialled else call, dialled)
    if not dialled:
        return await _refuse(connection, lifecycle, call, cause, now)
    return Claimed(await lifecycle.start(connection, call, now=now, node_id=node_id), dialled)


async def _legs_of(connection: Connection, call: CallRecord) -> Sequence[CallRecord]:
    """The legs that are dialled: the call itself, or its children when several targets ring together."""
    if not call.is_parent:
        return [call]
    return (await repository.legs_of(connection, [call.id])).get(call.id, [])


async def _trunks_for(
    connection: Connection, call: CallRecord, legs: Sequence[CallRecord], now: datetime
) -> Sequence[UUID | NoWay | None]:
    """A trunk for each leg, or why there is none; None for test calls, which need none."""
    if call.mode == "test":
        return [None] * len(legs)
    return await allocate(connection, [leg.remote_e164 for leg in legs], now)


async def _dial(
    connection: Connection,
    lifecycle: CallLifecycle,
    call: CallRecord,
    node_id: UUID,
    trunk_id: UUID | NoWay | None,
    now: datetime,
    prepare: Prepare,
) -> CallRecord | HangupCause:
    """The leg as it rings, or why it has ended instead."""
    if isinstance(trunk_id, NoWay):
        await _refuse(connection, lifecycle, call, cause_of(trunk_id), now)
        return cause_of(trunk_id)
    try:
        if call.direction == "outbound":
            await lifecycle.hold(connection, call)
    except InsufficientFunds as exc:
        cause = refusal_cause(exc)
        await _refuse(connection, lifecycle, call, cause, now)
        return cause
    dialog = prepare(msgspec.structs.replace(call, trunk_id=trunk_id))
    return await lifecycle.start(connection, call, now=now, node_id=node_id, trunk_id=trunk_id, dialog=dialog)


def cause_of(no_way: NoWay) -> HangupCause:
    """How a leg ends that has no trunk: nobody takes its number, or there is no room for it."""
    return HangupCause.NO_TRUNK if no_way is NoWay.NONE else HangupCause.CONGESTION


def refusal_cause(refusal: InsufficientFunds) -> HangupCause:
    """How a call ends that gets no hold: for want of money, by a cap, or by the alarm."""
    if isinstance(refusal, PausedAtDial):
        return HangupCause.OUTBOUND_PAUSED
    return HangupCause.SPEND_LIMIT if isinstance(refusal, StoppedAtDial) else HangupCause.INSUFFICIENT_FUNDS


async def _refuse(
    connection: Connection, lifecycle: CallLifecycle, call: CallRecord, cause: HangupCause, now: datetime
) -> Claimed:
    for leg in (await repository.legs_of(connection, [call.id])).get(call.id, []) if call.is_parent else []:
        await lifecycle.end(connection, leg.id, Ending(cause=cause, by=HangupBy.PLATFORM, at=now))
    ended = await lifecycle.end(connection, call.id, Ending(cause=cause, by=HangupBy.PLATFORM, at=now))
    return Claimed(ended[0] if ended else call, [])


async def cancel_expired(
    connection: Connection, lifecycle: CallLifecycle, now: datetime, limit: int = 100
) -> int:
    """Cancels queued calls whose `expires_in_seconds` are over; returns how many."""
    expired = await repository.expired_in_queue(connection, now, limit)
    for call_id in expired:
        await cancel_queued(
            connection, lifecycle, call_id, HangupCause.EXPIRED_IN_QUEUE, HangupBy.PLATFORM, now
        )
    return len(expired)


async def cancel_queued(
    connection: Connection,
    lifecycle: CallLifecycle,
    call_id: UUID,
    cause: HangupCause,
    by: HangupBy,
    now: datetime,
) -> None:
    """Ends a queued call, and the legs it would have rung, as `canceled`."""
    ending = Ending(cause=cause, by=by, at=now, status=CallStatus.CANCELED)
    for leg in (await repository.legs_of(connection, [call_id])).get(call_id, []):
        await lifecycle.end(connection, leg.id, ending)
    await lifecycle.end(connection, call_id, ending)


# In the order of the index of waiting calls, so that no plan reads the calls themselves when none waits.
_WAITING = """
SELECT workspace_id FROM calls WHERE status = 'queued' AND parent_call_id IS NULL ORDER BY workspace_id, mode LIMIT 1
"""

# `waiting` hops over the index from workspace to workspace, so its cost grows with the workspaces that wait, not with
# their calls.
_NEXT_TURN = """
WITH RECURSIVE waiting AS (
    (SELECT workspace_id, mode FROM calls WHERE status = 'queued' AND parent_call_id IS NULL
     ORDER BY workspace_id, mode LIMIT 1)
    UNION ALL
    SELECT next.workspace_id, next.mode FROM waiting, LATERAL (
        SELECT c.workspace_id, c.mode FROM calls c
        WHERE c.status = 'queued' AND c.parent_call_id IS NULL
          AND (c.workspace_id, c.mode) > (waiting.workspace_id, waiting.mode)
        ORDER BY c.workspace_id, c.mode LIMIT 1) next
)
SELECT q.workspace_id, q.mode, w.suspended_at,
       least(greatest(q.calls_per_second, 1), q.tokens + extract(epoch FROM $1 - q.tokens_at) * q.calls_per_second) AS filled
FROM waiting
JOIN call_queues q USING (workspace_id, mode)
JOIN workspaces w ON w.id = q.workspace_id
CROSS JOIN LATERAL (
    SELECT target_count FROM calls c
    WHERE c.workspace_id = q.workspace_id AND c.mode = q.mode AND c.status = 'queued' AND c.parent_call_id IS NULL
    ORDER BY c.id LIMIT 1) oldest
WHERE q.tokens + extract(epoch FROM $1 - q.tokens_at) * q.calls_per_second >= 1
  AND q.waits_until <= $1
  AND oldest.target_count <= $2
  AND oldest.target_count <= q.max_concurrent_calls - (
        SELECT count(*) FROM calls live WHERE live.workspace_id = q.workspace_id AND live.mode = q.mode
        AND live.status IN ('ringing', 'answered') AND live.target_count = 1)
ORDER BY q.mode = 'test', q.served_at
LIMIT 1 FOR UPDATE OF q SKIP LOCKED
"""

_OLDEST = f"""
SELECT {COLUMNS} FROM calls
WHERE workspace_id = $1 AND mode = $2 AND status = 'queued' AND parent_call_id IS NULL
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_TAKE_TURN = """
UPDATE call_queues SET tokens = $3, tokens_at = $4, served_at = $4 WHERE workspace_id = $1 AND mode = $2
"""

_WAIT = "UPDATE call_queues SET waits_until = $3 WHERE workspace_id = $1 AND mode = $2"
