"""Streams as legs that cost something, where an operator's tariff has a price for them (contract §4.6)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.errors import Refusal
from sautikitd.ids import uuid7
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.money import MoneyWatch
from sautikitd.voice.leg import MediaLeg


class StreamRefused(Exception):
    """The stream cannot be paid for, or not now; the message says why."""


@dataclass(frozen=True)
class StreamLegs:
    dialling: Dialling

    async def begin(
        self, call: CallRecord, near: MediaLeg, url: str, stop: Callable[[], None]
    ) -> "StreamLeg | None":
        """A leg with its money held; None where streams are free. Raises `StreamRefused`."""
        leg_id, dialling = uuid7(), self.dialling
        try:
            async with dialling.database.transaction() as connection:
                record = await dialling.adding.add_stream(
                    connection, call, leg_id, _shown(url), node_id=dialling.node_id
                )
        except Refusal as refusal:
            raise StreamRefused(refusal.text) from None
        except DatabaseUnavailable:
            dialling.see_through(dialling.abandon(leg_id))
            raise StreamRefused("the database was away") from None
        if record is None:
            return None
        if record.status is not CallStatus.RINGING:
            raise StreamRefused(record.failure_code or HangupCause.NETWORK_ERROR)
        made = StreamLeg(dialling, record, near, stop)
        dialling.running[record.id] = made
        return made


class StreamLeg:
    """Made by `StreamLegs.begin`; a running call of its own, which can be hung up by its id. When the money is gone only
    the stream ends, and the flow goes on."""

    def __init__(
        self, dialling: Dialling, record: CallRecord, near: MediaLeg, stop: Callable[[], None]
    ) -> None:
        self._dialling = dialling
        self._record = record
        self._near = near
        self._stop = stop
        self._watch: asyncio.Task[None] | None = None
        self._ending: tuple[HangupCause, HangupBy, datetime] | None = None

    @property
    def legs(self) -> Sequence[MediaLeg]:
        return []

    @property
    def ended(self) -> bool:
        return self._ending is not None

    @property
    def partner(self) -> MediaLeg:
        """Who hears the tone before the end."""
        return self._near

    async def warn(self) -> None:
        """A socket hears no tone."""

    def end(
        self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM, *, at: datetime | None = None
    ) -> None:
        self._ending = self._ending or (cause, by, at or self._dialling.clock.now())
        self._stop()

    async def answered(self) -> None:
        """The socket is open: from here on it costs."""
        books, clock = self._dialling.books, self._dialling.clock
        at = clock.now()
        committed = await books.answered(self._record.id, at, None)
        if committed is None or committed.status is not CallStatus.ANSWERED:
            self.end(HangupCause.CANCELED)  # somebody ended it meanwhile
            return
        self._watch = asyncio.ensure_future(MoneyWatch(self._record, self, at, books, clock).run())

    async def close(self, *, failed: bool, by_us: bool) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        usual = HangupCause.NETWORK_ERROR if failed else HangupCause.NORMAL_CLEARING
        party = HangupBy.PLATFORM if by_us else HangupBy.CALLEE
        cause, by, at = self._ending or (usual, party, self._dialling.clock.now())
        self._dialling.running.pop(self._record.id, None)
        await self._dialling.books.ended(self._record.id, Ending(cause=cause, by=by, at=at))


def _shown(url: str) -> str:
    """Without its query, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"[:256]
