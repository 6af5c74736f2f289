"""A claimed outbound call, from the INVITE to the last report: one leg, or several rung together."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from sautikitd.calls.lifecycle import Ending
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.queue import Claimed
from sautikitd.flow.port import LegGone
from sautikitd.node.books import Books
from sautikitd.node.conversation import Conversations
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.routes import Routes
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.leg import LegEnd, MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.outbound_leg import OutboundLeg

log = structlog.get_logger(__name__)

# What a group says when nobody answered: the most telling of its legs' ends.
_TELLING = (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED)


class OutboundCall:
    """Runs one claim. `end` may be called at any time, by a command or because the node stops."""

    def __init__(
        self,
        claimed: Claimed,
        *,
        engine: VoiceEngine,
        routes: Routes,
        books: Books,
        conversations: Conversations,
        prompting: Prompting,
        recordings: NodeRecordings,
    ) -> None:
        self.call = claimed.call
        self._claimed_legs = claimed.legs
        self._engine = engine
        self._routes = routes
        self._books = books
        self._conversations = conversations
        self._prompting = prompting
        self._recordings = recordings
        self._legs: dict[Any, MediaLeg] = {}
        self._ending: tuple[HangupCause, HangupBy] | None = None
        self._alerts: list[asyncio.Task[None]] = []

    @property
    def legs(self) -> Sequence[MediaLeg]:
        return list(self._legs.values())

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None:
        self._ending = self._ending or (cause, by)
        for leg in self._legs.values():
            leg.end(cause, by=by)

    async def run(self) -> None:
        """Returns when every leg and the call itself have ended in the database."""
        if self.call.is_parent:
            await self._run_group()
        else:
            await self._run_leg(self._claimed_legs[0])

    async def _run_leg(self, record: CallRecord) -> None:
        leg = await self._dial(record)
        if leg is None:
            return
        runner = None
        try:
            dialog = await leg.answer_of(record.timeout_seconds)
            assert leg.answered_at is not None
            await self._alerts_written()
            committed = await self._books.answered(record.id, leg.answered_at, dialog)
            if committed is None or committed.status is not CallStatus.ANSWERED:
                leg.end(HangupCause.CANCELED)
            else:
                runner = await self._conversations.hold(committed, leg)
        except LegGone as gone:
            log.debug("node.unanswered", call_id=str(record.id), cause=gone.cause)
        finally:
            ended = await self._close(record, leg)
        if runner and ended:
            await self._conversations.report(runner, ended)

    async def _run_group(self) -> None:
        """Everybody rings; the first answer that is committed wins, and the others are called off."""
        ends: dict[Any, CallRecord | None] = {}
        won: asyncio.Future[tuple[CallRecord, OutboundLeg]] = asyncio.get_running_loop().create_future()

        async def ring(record: CallRecord) -> None:
            leg = await self._dial(record)
            if leg is None:
                return
            try:
                dialog = await leg.answer_of(record.timeout_seconds)
                assert leg.answered_at is not None
                await self._alerts_written()
                if await self._books.won(self.call.id, record.id, leg.answered_at, dialog):
                    won.set_result((record, leg))
                    self._call_off(leg)
                    return
                leg.end(HangupCause.LOST_RACE)
            except LegGone as gone:
                log.debug("node.unanswered", call_id=str(record.id), cause=gone.cause)
            ends[record.id] = await self._close(record, leg)

        ringing = asyncio.gather(*(ring(record) for record in self._claimed_legs))
        await ringing
        if won.done():
            record, leg = won.result()
            await self._hold_winner(record, leg)
        else:
            await self._books.ended(self.call.id, self._nobody(list(ends.values())))

    async def _hold_winner(self, record: CallRecord, leg: OutboundLeg) -> None:
        try:
            shown = msgspec.structs.replace(
                self.call,
                status=CallStatus.ANSWERED,
                answered_at=leg.answered_at,
                to_address=record.to_address,
            )
            runner = await self._conversations.hold(shown, leg, paid_leg=record)
        finally:
            await self._close(record, leg)
            end = await leg.gone()
            ended = await self._books.ended(self.call.id, _ending(end, None))
        if ended:
            await self._conversations.report(runner, ended)

    def _call_off(self, winner: MediaLeg) -> None:
        for leg in self._legs.values():
            if leg is not winner:
                leg.end(HangupCause.LOST_RACE)

    def _nobody(self, ends: Sequence[CallRecord | None]) -> Ending:
        now = self._conversations.clock.now()
        if self._ending:
            return Ending(cause=self._ending[0], by=self._ending[1], at=now, status=CallStatus.CANCELED)
        by_status = {end.status: end for end in ends if end}
        for status in _TELLING:
            if end := by_status.get(status):
                cause = HangupCause(end.hangup_cause or HangupCause.NO_ANSWER)
                by = HangupBy(end.hangup_by or HangupBy.CALLEE)
                return Ending(cause=cause, by=by, at=now, status=status, sip_code=end.sip_code)
        return Ending(cause=HangupCause.MEDIA_LOST, by=HangupBy.PLATFORM, at=now)

    async def _dial(self, record: CallRecord) -> OutboundLeg | None:
        """Sends the INVITE whose identifiers were stored with the claim."""
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
            )
        except (MediaLost, MediaRefused) as exc:
            log.error("node.no_media", call_id=str(record.id), error=str(exc))
            await self._fail(record, HangupCause.MEDIA_LOST, CallStatus.FAILED)
            return None
        self._legs[record.id] = leg
        self._recordings.know(record.id, self.call)
        self._end_if_asked(leg)
        return leg

    def _end_if_asked(self, leg: MediaLeg) -> None:
        """The end may have been asked for while the INVITE was on its way out."""
        if self._ending:
            leg.end(self._ending[0], by=self._ending[1])

    def _alert(self, record: CallRecord, at: datetime) -> None:
        calls = [record.id, self.call.id] if self.call.is_parent else [record.id]
        for call_id in calls:
            self._alerts.append(asyncio.ensure_future(self._books.alerting(call_id, at)))

    async def _alerts_written(self) -> None:
        """`call.ringing` comes before whatever follows it."""
        await asyncio.gather(*self._alerts)

    async def _close(self, record: CallRecord, leg: MediaLeg) -> CallRecord | None:
        """Commits the end of a leg, however it came about."""
        if not leg.ended:
            leg.end(HangupCause.NORMAL_CLEARING)
        end = await leg.gone()
        await self._alerts_written()
        quality = await leg.quality()
        self._recordings.forget(record.id)
        return await self._books.ended(record.id, _ending(end, quality))

    async def _fail(self, record: CallRecord, cause: HangupCause, status: CallStatus) -> None:
        at = self._conversations.clock.now()
        await self._books.ended(record.id, Ending(cause=cause, by=HangupBy.PLATFORM, at=at, status=status))


def _ending(end: LegEnd, quality: dict[str, Any] | None) -> Ending:
    return Ending(
        cause=end.cause, by=end.by, at=end.at, status=end.status, sip_code=end.sip_code, quality=quality
    )
