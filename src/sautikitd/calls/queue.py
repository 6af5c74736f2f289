"""The queue: calls are rows that wait for a voice node with room to claim them (`claiming`), are cancelled, or fail."""

from datetime import datetime
from uuid import UUID

from sautikitd.calls import repository
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Connection
from sautikitd.trunks.allocation import NoWay
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.limits import PausedAtDial, StoppedAtDial

CHANNEL = "calls"
"""The NOTIFY channel that wakes voice nodes when a call is queued."""


async def anything_waits(connection: Connection) -> bool:
    """Whether any call is queued: asked before a claim, which takes a transaction and far more of the database."""
    return await connection.fetchrow(_WAITING) is not None


def cause_of(no_way: NoWay) -> HangupCause:
    """How a leg ends that has no trunk: nobody takes its number, or there is no room for it."""
    return HangupCause.NO_TRUNK if no_way is NoWay.NONE else HangupCause.CONGESTION


def refusal_cause(refusal: InsufficientFunds) -> HangupCause:
    """How a call ends that gets no hold: for want of money, by a cap, or by the alarm."""
    if isinstance(refusal, PausedAtDial):
        return HangupCause.OUTBOUND_PAUSED
    return HangupCause.SPEND_LIMIT if isinstance(refusal, StoppedAtDial) else HangupCause.INSUFFICIENT_FUNDS


async def fail(
    connection: Connection, lifecycle: CallLifecycle, call_id: UUID, cause: HangupCause, now: datetime
) -> None:
    """Ends a queued call that cannot be dialled, and the legs it would have rung, as `failed`."""
    ending = Ending(cause=cause, by=HangupBy.PLATFORM, at=now)
    await _end_queued(connection, lifecycle, call_id, ending)


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
    """Ends a queued call, and the legs it would have rung, as `canceled`; as `failed` where its workspace is suspended."""
    status = CallStatus.FAILED if cause is HangupCause.SUSPENDED else CallStatus.CANCELED
    ending = Ending(cause=cause, by=by, at=now, status=status)
    await _end_queued(connection, lifecycle, call_id, ending)


async def _end_queued(
    connection: Connection, lifecycle: CallLifecycle, call_id: UUID, ending: Ending
) -> None:
    for leg in (await repository.legs_of(connection, [call_id])).get(call_id, []):
        await lifecycle.end(connection, leg.id, ending)
    await lifecycle.end(connection, call_id, ending)


# In the order of the index of waiting calls, so that no plan reads the calls themselves when none waits.
_WAITING = """
SELECT workspace_id FROM calls WHERE status = 'queued' AND parent_call_id IS NULL ORDER BY workspace_id, mode LIMIT 1
"""
