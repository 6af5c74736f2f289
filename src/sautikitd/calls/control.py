"""Ending calls from outside: by their owner, or because a workspace is suspended."""

from datetime import datetime
from uuid import UUID

from sautikitd.calls import commands, repository
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.lifecycle import CallLifecycle
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.queue import cancel_queued
from sautikitd.database.pool import Connection


class HangUp:
    """Ends calls. A queued one ends here and now; a live one by its node, which is told through a row."""

    def __init__(self, lifecycle: CallLifecycle) -> None:
        self._lifecycle = lifecycle

    async def hang_up(self, connection: Connection, call_id: UUID, now: datetime) -> None:
        """Asks for the end of a call. Harmless on one that has ended or was asked to already."""
        call = await repository.lock(connection, call_id)
        if call is not None:
            await self._end(connection, call, HangupCause.NORMAL_CLEARING, now)

    async def end_all_of(self, connection: Connection, workspace_id: UUID, now: datetime) -> int:
        """Hangs up every live call of a suspended workspace and empties its queue; returns how many there were."""
        calls = await repository.live_of(connection, workspace_id)
        for call in calls:
            await self._end(connection, call, HangupCause.SUSPENDED, now)
        return len(calls)

    async def _end(self, connection: Connection, call: CallRecord, cause: HangupCause, now: datetime) -> None:
        if call.status is CallStatus.QUEUED:
            queued_cause = HangupCause.CANCELED if cause is HangupCause.NORMAL_CLEARING else cause
            await cancel_queued(connection, self._lifecycle, call.id, queued_cause, HangupBy.PLATFORM, now)
        elif not call.status.terminal and call.hangup_requested_at is None:
            await repository.update(connection, call.id, {"hangup_requested_at": now})
            await commands.give(connection, call.id, CommandKind.HANGUP, now, {"cause": cause})
