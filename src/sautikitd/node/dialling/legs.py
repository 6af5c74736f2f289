"""The legs that one call sends out: the INVITE, the ringing, and the end, each of them in the books."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.clock import Clock
from sautikitd.node.books import Books
from sautikitd.node.dialling.failover import Failover
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.trunks.routes import Routes
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.leg import LegEnd, MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.outbound_leg import OutboundLeg

log = structlog.get_logger(__name__)

# What several legs come to when nobody answered: the most telling of their ends.
_TELLING = (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED)


class DialledLegs:
    """`owner` is the call whose recordings they make, and, of a group, the call that rings when one of them does."""

    def __init__(
        self,
        owner: CallRecord,
        *,
        engine: VoiceEngine,
        routes: Routes,
        books: Books,
        prompting: Prompting,
        recordings: NodeRecordings,
        failover: Failover,
        clock: Clock,
    ) -> None:
        self._owner = owner
        self._engine = engine
        self._routes = routes
        self._books = books
        self._prompting = prompting
        self._recordings = recordings
        self._failover = failover
        self._clock = clock
        self._legs: dict[UUID, OutboundLeg] = {}
        self._ending: tuple[HangupCause, HangupBy] | None = None
        self._alerts: list[asyncio.Task[None]] = []

    @property
    def legs(self) -> Sequence[MediaLeg]:
        return list(self._legs.values())

    @property
    def ending(self) -> tuple[HangupCause, HangupBy] | None:
        """Why and by whom `end` was asked for first."""
        return self._ending

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None:
        """Ends all of them, and those whose INVITE is still on its way out."""
        self._ending = self._ending or (cause, by)
        for leg in self._legs.values():
            leg.end(cause, by=by)

    def call_off(self, winner: MediaLeg) -> None:
        for leg in self._legs.values():
            if leg is not winner:
                leg.end(HangupCause.LOST_RACE)

    async def dial(self, record: CallRecord, *, beside: MediaLeg | None = None) -> OutboundLeg | None:
        """Sends the INVITE whose identifiers were stored with the row; None when the call ended instead."""
        record = await self._failover.passable(record)
        route = self._routes.of(record)
        if route is None or record.dialog is None or self._ending:
            cause = self._ending[0] if self._ending else HangupCause.NO_TRUNK
            status = CallStatus.CANCELED if self._ending else CallStatus.FAILED
            await self._fail(record, cause, status)
            return None
        try:
            leg = await self._engine.dial(
                record.id,
                record.dialog,
                route,
                self._prompting.of(record),
                lambda at: self._alert(record, at),
                beside=beside,
                ways=self._failover.ways_of(record),
            )
        except (MediaLost, MediaRefused) as exc:
            log.error("node.no_media", call_id=str(record.id), error=str(exc))
            await self._fail(record, HangupCause.MEDIA_LOST, CallStatus.FAILED)
            return None
        self._legs[record.id] = leg
        self._recordings.know(record.id, self._owner)
        if ending := self.ending:  # asked for while the INVITE was on its way out
            leg.end(ending[0], by=ending[1])
        return leg

    async def answered(
        self, record: CallRecord, leg: OutboundLeg, dialog: dict[str, Any]
    ) -> CallRecord | None:
        """The call once its answer is committed; None, and the leg is hung up, when it was ended meanwhile."""
        assert leg.answered_at is not None
        await self.alerts_written()
        committed = await self._books.answered(record.id, leg.answered_at, dialog)
        if committed is not None and committed.status is CallStatus.ANSWERED:
            return committed
        leg.end(HangupCause.CANCELED)
        return None

    async def alerts_written(self) -> None:
        """`call.ringing` comes before whatever follows it."""
        await asyncio.gather(*self._alerts)

    async def close(
        self, record: CallRecord, leg: OutboundLeg, by: HangupBy = HangupBy.PLATFORM
    ) -> CallRecord | None:
        """Commits the end of a leg, however it came about; one that has not ended is hung up on."""
        ending = await self._over(record, leg, by)
        return await self._books.ended(record.id, ending, leg=leg)

    async def close_to_report(self, record: CallRecord, leg: OutboundLeg) -> CallRecord | None:
        """The same of a leg that is the call itself, for who tells its voice callback; see `Books.ended_to_report`."""
        ending = await self._over(record, leg, HangupBy.PLATFORM)
        return await self._books.ended_to_report(record.id, ending, leg=leg)

    async def _over(self, record: CallRecord, leg: OutboundLeg, by: HangupBy) -> Ending:
        if not leg.ended:
            leg.end(HangupCause.NORMAL_CLEARING if leg.answered else HangupCause.CANCELED, by=by)
        end = await leg.gone()
        await self.alerts_written()
        quality = await leg.quality()
        self._recordings.forget(record.id)
        return ending_of(end, quality)

    def _alert(self, record: CallRecord, at: datetime) -> None:
        calls = [record.id, self._owner.id] if self._owner.is_parent else [record.id]
        for call_id in calls:
            self._alerts.append(asyncio.ensure_future(self._books.alerting(call_id, at)))

    async def _fail(self, record: CallRecord, cause: HangupCause, status: CallStatus) -> None:
        at = self._clock.now()
        await self._books.ended(record.id, Ending(cause=cause, by=HangupBy.PLATFORM, at=at, status=status))


def ending_of(end: LegEnd, quality: dict[str, Any] | None = None) -> Ending:
    return Ending(
        cause=end.cause, by=end.by, at=end.at, status=end.status, sip_code=end.sip_code, quality=quality
    )


def most_telling(ended: Sequence[CallRecord | None]) -> CallRecord | None:
    """Of unanswered calls, the one whose end says most; None when there is none."""
    by_status = {call.status: call for call in ended if call}
    return next((by_status[status] for status in _TELLING if status in by_status), None)
