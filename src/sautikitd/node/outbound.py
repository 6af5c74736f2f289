"""A claimed outbound call, from the INVITE to the last report: one leg, or several rung together."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from sautikitd.calls.claiming import Claimed
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.steps import Ending
from sautikitd.flow.port import LegGone
from sautikitd.node.books import Books
from sautikitd.node.conversation import Conversations
from sautikitd.node.dialling.legs import ending_of, most_telling
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.outbound_leg import OutboundLeg

log = structlog.get_logger(__name__)


class OutboundCall:
    """Runs one claim. `end` may be called at any time, by a command or because the node stops."""

    def __init__(
        self,
        claimed: Claimed,
        *,
        books: Books,
        conversations: Conversations,
    ) -> None:
        self.call = claimed.call
        self._claimed_legs = claimed.legs
        self._books = books
        self._conversations = conversations
        self._dialled = conversations.dialling.legs_for(claimed.call)

    @property
    def legs(self) -> Sequence[MediaLeg]:
        return self._dialled.legs

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None:
        self._dialled.end(cause, by)

    async def run(self) -> None:
        """Returns when every leg and the call itself have ended in the database."""
        if self.call.is_parent:
            await self._run_group()
        else:
            await self._run_leg(self._claimed_legs[0])

    async def _run_leg(self, record: CallRecord) -> None:
        leg = await self._dialled.dial(record)
        if leg is None:
            self._conversations.reports.wake()
            return
        runner = None
        try:
            dialog = await leg.answer_of(record.timeout_seconds)
            if committed := await self._dialled.answered(record, leg, dialog):
                runner = await self._conversations.hold(committed, leg)
        except LegGone as gone:
            log.debug("node.unanswered", call_id=str(record.id), cause=gone.cause)
        finally:
            ended = await self._dialled.close_to_report(record, leg)
        if ended:
            await self._conversations.report(runner, ended, leg)

    async def _run_group(self) -> None:
        """Everybody rings; the first answer that is committed wins, and the others are called off."""
        ends: dict[Any, CallRecord | None] = {}
        won: asyncio.Future[tuple[CallRecord, OutboundLeg]] = asyncio.get_running_loop().create_future()

        async def ring(record: CallRecord) -> None:
            leg = await self._dialled.dial(record)
            if leg is None:
                return
            try:
                dialog = await leg.answer_of(record.timeout_seconds)
                assert leg.answered_at is not None
                await self._dialled.alerts_written()
                if await self._books.won(self.call.id, record.id, leg.answered_at, dialog):
                    won.set_result((record, leg))
                    self._dialled.call_off(leg)
                    return
                leg.end(HangupCause.LOST_RACE)
            except LegGone as gone:
                log.debug("node.unanswered", call_id=str(record.id), cause=gone.cause)
            ends[record.id] = await self._dialled.close(record, leg)

        ringing = asyncio.gather(*(ring(record) for record in self._claimed_legs))
        await ringing
        if won.done():
            record, leg = won.result()
            await self._hold_winner(record, leg)
        else:
            await self._books.ended(self.call.id, self._nobody(list(ends.values())))
            self._conversations.reports.wake()

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
            await self._dialled.close(record, leg)
            end = await leg.gone()
            ended = await self._books.ended_to_report(self.call.id, ending_of(end))
        if ended:
            await self._conversations.report(runner, ended, leg)

    def _nobody(self, ends: Sequence[CallRecord | None]) -> Ending:
        now = self._conversations.clock.now()
        if self._dialled.ending:
            cause, by = self._dialled.ending
            return Ending(cause=cause, by=by, at=now, status=CallStatus.CANCELED)
        end = most_telling(ends)
        if end is None:
            return Ending(cause=HangupCause.MEDIA_LOST, by=HangupBy.PLATFORM, at=now)
        cause = HangupCause(end.hangup_cause or HangupCause.NO_ANSWER)
        by = HangupBy(end.hangup_by or HangupBy.CALLEE)
        return Ending(cause=cause, by=by, at=now, status=end.status, sip_code=end.sip_code)
