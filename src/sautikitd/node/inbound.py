"""A call that comes in over a trunk, or from the simulated carrier of test mode."""

from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.errors import WorkspaceSuspended
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupBy, HangupCause
from sautikitd.calls.receiving import Arrival, ReceiveInboundCall
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.node.answer_entry import AnswerEntry
from sautikitd.node.books import Books
from sautikitd.node.conversation import Conversations
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.test_callers import TestCallers
from sautikitd.node.trunks.metrics import REFUSED
from sautikitd.node.trunks.numbers import called_number, caller_of
from sautikitd.node.trunks.routes import CARRIER, Routes
from sautikitd.numbers.errors import NumberInactive, NumberNotFound
from sautikitd.trunks.allocation import TrunkFull
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.sip.causes import Reason
from sautikitd.voice.sip.inbound import InboundCall as SipCall

log = structlog.get_logger(__name__)

_UNKNOWN_NUMBER, _UNAVAILABLE, _OUT_OF_ORDER = 404, 480, 503
_NO_CHANNEL = Reason("Q.850", 34, "no channel left on this trunk")  # ITU-T Q.850: no circuit available


class InboundCall:
    """Runs one inbound call whose row exists; also the `AnswerBook` of its leg."""

    def __init__(
        self,
        call: CallRecord,
        sip: SipCall,
        identity: str,
        *,
        engine: VoiceEngine,
        routes: Routes,
        books: Books,
        conversations: Conversations,
        prompting: Prompting,
        recordings: NodeRecordings,
    ) -> None:
        self.call = call
        self._books = books
        self._answer = AnswerEntry(books, call.id)
        self._conversations = conversations
        self._recordings = recordings
        recordings.know(call.id, call)
        self.leg = engine.accept(
            *(call.id, sip, routes.codecs_of(identity), prompting.of(call), self),
            srtp=routes.srtp_of(identity),
        )

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None:
        self.leg.end(cause, by=by)

    @property
    def legs(self) -> list[MediaLeg]:
        return [self.leg]

    async def answered(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        await self._answer.enter(leg, dialog)

    async def run(self) -> None:
        """Returns when the call has ended in the database."""
        try:
            runner = await self._conversations.hold(self.call, self.leg)
        finally:
            if not self.leg.ended:
                self.leg.end(HangupCause.NORMAL_CLEARING)
            end = await self.leg.gone()
            quality = await self.leg.quality()
            await self._answer.settled()
            self._recordings.forget(self.call.id)
            ending = Ending(
                cause=end.cause,
                by=end.by,
                at=end.at,
                status=end.status,
                sip_code=end.sip_code,
                quality=quality,
            )
            ended = await self._books.ended_to_report(self.call.id, ending, leg=self.leg)
        if ended:
            await self._conversations.report(runner, ended, self.leg)


class Reception:
    """Turns an INVITE into a call of the workspace whose number was called, or refuses it."""

    def __init__(
        self,
        database: Database,
        receiving: ReceiveInboundCall,
        test_callers: TestCallers,
        node_id: UUID,
        routes: Routes,
    ) -> None:
        self._routes = routes
        self._database = database
        self._receiving = receiving
        self._test_callers = test_callers
        self._node_id = node_id

    async def receive(self, sip: SipCall) -> CallRecord | None:
        """The call's row, `ringing`; None when the INVITE was refused."""
        if sip.identity == CARRIER:
            call = self._test_callers.expected(sip)
            if call is None:
                sip.reject(_UNKNOWN_NUMBER)
            return call
        trunk_id = UUID(sip.identity) if sip.identity else None
        called = called_number(sip, self._routes.trunk(trunk_id))
        if called is None:
            sip.reject(_UNKNOWN_NUMBER)
            return None
        caller, country = caller_of(sip)
        arrival = Arrival(called=called.e164, caller=caller, country=country, trunk_id=trunk_id)
        try:
            async with self._database.transaction() as connection:
                return await self._receiving.receive(connection, arrival, self._node_id)
        except NumberNotFound:
            sip.reject(_UNKNOWN_NUMBER)
        except (NumberInactive, WorkspaceSuspended):
            sip.reject(_UNAVAILABLE)
        except TrunkFull:
            self._turn_away(sip, trunk_id)
        except DatabaseUnavailable as exc:
            log.warning("node.inbound_refused", error=repr(exc))
            sip.reject(_OUT_OF_ORDER)
        return None

    def _turn_away(self, sip: SipCall, trunk_id: UUID | None) -> None:
        """Above the trunk's channels: the operator may look for another way, or try again at once (RFC 3261 §21.5.4)."""
        trunk = self._routes.trunk(trunk_id)
        REFUSED.labels(trunk.name if trunk else "unknown").inc()
        log.warning("node.trunk_full", trunk_id=str(trunk_id))
        sip.reject(503, reasons=[_NO_CHANNEL], headers=[("Retry-After", "1")])
