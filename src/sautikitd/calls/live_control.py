"""What may be asked of a live call besides hanging it up: another flow, digits, a recording.

Each is a row for the node that runs the call (`node/live_control.py` carries it out), written with the change it makes to
the call itself; wake the node after commit.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sautikitd.calls import commands, repository
from sautikitd.calls.commands import CommandKind
from sautikitd.calls.controlled import turns
from sautikitd.calls.errors import Controlled, NoFlow
from sautikitd.calls.live import lock_answered, lock_live
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7


class ControlCall:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def replace_flow(
        self,
        connection: Connection,
        call_id: UUID,
        *,
        actions: list[Any] | None,
        voice_callback_url: str | None,
        now: datetime,
    ) -> CallRecord:
        """The call does this from now on, or from its answer on. Raises `CallNotLive`, `NodeSilent`, `NoFlow`,
        and `Controlled` for a URL given to a call that has a controller."""
        call = await lock_live(connection, call_id, self._clock.now())
        if call.parent_call_id is not None or call.by_device:
            raise NoFlow
        if call.control is not None and voice_callback_url is not None:
            raise Controlled
        await turns.close_all(connection, call.id, now)
        if call.status is not CallStatus.QUEUED:
            payload = {"actions": actions, "voice_callback_url": voice_callback_url}
            await commands.give(connection, call.id, CommandKind.FLOW_REPLACE, now, payload)
        values: dict[str, Any] = {"actions": actions, "updated_at": now}
        if voice_callback_url is not None:
            values["voice_callback_url"] = voice_callback_url
        return await repository.update(connection, call.id, values)

    async def send_digits(self, connection: Connection, call_id: UUID, digits: str, now: datetime) -> None:
        """Raises `CallNotLive`, `NotAnswered`, `NodeSilent`."""
        call = await lock_answered(connection, call_id, self._clock.now())
        await commands.give(connection, call.id, CommandKind.DTMF, now, {"digits": digits})

    async def start_recording(
        self, connection: Connection, call_id: UUID, channels: str, now: datetime
    ) -> UUID:
        """The id the recording will have. Raises `CallNotLive`, `NotAnswered`, `NodeSilent`."""
        call = await lock_answered(connection, call_id, self._clock.now())
        recording_id = uuid7()
        payload = {
            "recording_id": str(recording_id),
            "channels": 2 if channels == "dual" else 1,
            "max_length_s": call.max_duration_seconds,
        }
        await commands.give(connection, call.id, CommandKind.RECORDING_START, now, payload)
        return recording_id
