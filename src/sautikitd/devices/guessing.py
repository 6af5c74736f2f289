"""Wrong passwords: how they are answered, and when a workspace hears of them."""

from datetime import datetime, timedelta

import msgspec

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.devices import credential_repository as repository
from sautikitd.devices.models import CredentialRecord
from sautikitd.events.kinds import DeviceGuessingPayload, EventKind
from sautikitd.events.log import EventLog
from sautikitd.events.models import Event
from sautikitd.identity.keys.throttle import FailureThrottle
from sautikitd.ids import uuid7

_TOLD_AGAIN_AFTER = timedelta(hours=1)


class GuessThrottle:
    """Counts failures by source and by username. It decides only how a wrong password is answered, so nobody can lock
    a device out by guessing at it (contract §12, Privacy)."""

    def __init__(self, clock: Clock) -> None:
        self._sources = FailureThrottle(clock)
        self._usernames = FailureThrottle(clock)

    def source_may_hear(self, source: str) -> bool:
        """Counts a failure of this source; False when it has had so many that it gets no answer any more."""
        return self._sources.allows(source)

    def username_may_be_tried(self, username: str) -> bool:
        """Counts a failure of this username; False when there were so many that somebody is guessing."""
        return self._usernames.allows(username)


async def tell_of_guessing(
    connection: Connection, events: EventLog, credential: CredentialRecord, source: str, now: datetime
) -> bool:
    """Emits `device.guessing`, at most once an hour for each credential. Inside a transaction."""
    if not await repository.tell_of_guessing(connection, credential.id, now, now - _TOLD_AGAIN_AFTER):
        return False
    payload = DeviceGuessingPayload(
        credential_id=credential.id,
        username=credential.username,
        label=credential.label,
        number_id=credential.number_id,
        source_address=source,
    )
    event = Event(
        id=uuid7(),
        workspace_id=credential.workspace_id,
        mode=credential.mode,
        kind=EventKind.DEVICE_GUESSING,
        number_id=credential.number_id,
        data=msgspec.to_builtins(payload),
        occurred_at=now,
    )
    await events.record(connection, event)
    return True
