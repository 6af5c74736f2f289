"""An answered (or answerable) leg and the flow that runs on it: what both directions share."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.egress.client import EgressClient
from sautikitd.events.models import Mode
from sautikitd.flow.callbacks.client import CallbackClient
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.question import Method
from sautikitd.flow.context import CallbackFormat, CallOutcome, Direction, FlowContext
from sautikitd.flow.discretion import DiscreetJournal, Discretion
from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.port import Digits, LegGone
from sautikitd.flow.reader import read_actions
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.node.answering import AnsweringMachines
from sautikitd.node.books import Books
from sautikitd.node.dialling.dial import CallDialler
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.journal import JournalWriter
from sautikitd.node.live.controllers import Controllers
from sautikitd.node.live.flow import LiveFlow, LiveFlows
from sautikitd.node.money import MoneyWatch
from sautikitd.node.rooms.rooms import NodeRooms
from sautikitd.node.stream_legs import StreamLegs
from sautikitd.node.streaming import CallStreams
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaRefused
from sautikitd.voice.streams.client import StreamClient

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """Makes conversations; one for the node."""

    database: Database
    books: Books
    journal: JournalWriter
    egress: EgressClient
    secrets: SigningSecrets
    dialling: Dialling
    clock: Clock
    public_url: str
    controllers: Controllers
    streams: StreamClient
    rooms: NodeRooms
    flows: LiveFlows = field(default_factory=LiveFlows)
    known_secrets: dict[tuple[UUID, Mode], Sequence[str]] = field(default_factory=dict)

    async def hold(
        self, call: CallRecord, leg: MediaLeg, *, paid_leg: CallRecord | None = None
    ) -> FlowRunner:
        """Runs the call's flow on the leg until the leg is gone. Returns the runner, for the last report.

        `call` is what the customer knows of (the parent of a group); `paid_leg` is whose money runs.
        """
        flow = self._flow(call, leg)
        self.flows.begin(call.id, flow)
        machines = AnsweringMachines(books=self.books, clock=self.clock)
        beside = [
            asyncio.ensure_future(self._watch_money(paid_leg or call, leg)),
            asyncio.ensure_future(self._record(call, leg)),
        ]
        try:
            await self._open(call, leg)
            await machines.detect(call, leg, flow.journal)
            flow.know_answerer(leg.answering.answerer, leg.answering.greeting_end)
            await flow.run()
            await leg.gone()
        except LegGone as gone:
            log.debug("node.leg_gone", call_id=str(call.id), cause=gone.cause)
        finally:
            self.flows.end(call.id)
            for task in beside:
                task.cancel()
            for problem in await asyncio.gather(*beside, return_exceptions=True):
                if isinstance(problem, Exception) and not isinstance(problem, LegGone):
                    log.error("node.beside_failed", call_id=str(call.id), exc_info=problem)
        return flow.runner

    def unbegun(self, call: CallRecord, leg: MediaLeg) -> FlowRunner:
        """The runner of a call that nobody answered: it has the last report alone to give."""
        return self._flow(call, leg).runner

    async def report(self, runner: FlowRunner, ended: CallRecord, leg: MediaLeg) -> None:
        """Tells the voice callback how the call ended, and where its newest recording is."""
        newest = leg.recordings.newest
        outcome = CallOutcome(
            duration_seconds=ended.billed_seconds or 0,
            cost_minor=ended.cost_minor,
            hangup_cause=ended.hangup_cause or HangupCause.NORMAL_CLEARING,
            recording_url=self._recording_url(str(newest)) if newest else "",
        )
        await runner.report_end(outcome)

    async def _open(self, call: CallRecord, leg: MediaLeg) -> None:
        """What was asked for with the call itself, before its flow begins."""
        if call.direction == "outbound" and call.send_digits:
            await leg.play([Digits(digits=call.send_digits)])

    async def _watch_money(self, paid_leg: CallRecord, leg: MediaLeg) -> None:
        answered_at = await leg.until_gone(leg.answer_time())
        await MoneyWatch(paid_leg, leg, answered_at, self.books, self.clock).run()

    async def _record(self, call: CallRecord, leg: MediaLeg) -> None:
        """The recording that was asked for with the call, from its answer to its end."""
        if call.record is None:
            return
        await leg.until_gone(leg.answer_time())
        channels = 2 if call.record == "dual" else 1
        try:
            await leg.recordings.start(channels=channels, max_length_s=call.max_duration_seconds)
        except (MediaRefused, *DatabaseUnavailable) as exc:
            log.error("node.not_recorded", call_id=str(call.id), error=repr(exc))

    def _recording_url(self, recording_id: str) -> str:
        return f"{self.public_url}/v1/recordings/{recording_id}/media"

    def _flow(self, call: CallRecord, leg: MediaLeg) -> LiveFlow:
        discretion = Discretion()  # of the whole call: what one flow has hidden, the next does not tell
        journal = self.journal.of(call)
        discreet = DiscreetJournal(journal, discretion)
        client = CallbackClient(
            self.egress,
            vocabulary=vocabulary_of(CallbackFormat(call.callback_format)),
            secrets=lambda: self._secrets_of(call),
            log=journal,
            live=call.mode == "live",
            clock=self.clock,
        )
        dialler = CallDialler(self.dialling, call, leg)
        streamer = CallStreams(
            client=self.streams,
            legs=StreamLegs(self.dialling),
            call=call,
            leg=leg,
            callbacks=client,
            context=lambda: self._context(call, leg),
            secrets=lambda: self._secrets_of(call),
            journal=discreet,
            clock=self.clock,
            see_through=self.dialling.see_through,
        )
        control = self.controllers.of(call, discreet)

        def make(context: FlowContext) -> FlowRunner:
            return FlowRunner(
                leg,
                context,
                client,
                journal,
                clock=self.clock,
                dialler=dialler,
                streamer=streamer,
                control=control,
                discretion=discretion,
                rooms=self.rooms.of(call, leg),
            )

        return LiveFlow(
            leg, context=lambda: self._context(call, leg), make=make, journal=discreet, clock=self.clock
        )

    async def _secrets_of(self, call: CallRecord) -> Sequence[str]:
        """The signing secrets; while the database is away, those it had last."""
        place = (call.workspace_id, call.mode)
        try:
            async with self.database.connection() as connection:
                self.known_secrets[place] = await self.secrets.valid(connection, *place)
        except DatabaseUnavailable:
            if place not in self.known_secrets:
                raise
        return self.known_secrets[place]

    def _context(self, call: CallRecord, leg: MediaLeg) -> FlowContext:
        return FlowContext(
            call_id=call.id,
            session_id=call.session_id,
            direction=Direction(call.direction),
            from_number=call.from_address,
            to_number=call.to_address,
            live=call.mode == "live",
            client_request_id=call.client_request_id,
            answered_at=leg.answered_at,
            answered_by=leg.answering.answerer or call.answered_by,
            greeting_end=leg.answering.greeting_end,
            actions=_inline(call),
            voice_callback_url=call.voice_callback_url,
            voice_method=Method(call.voice_method),
            fallback_url=call.fallback_url,
            status_callback_url=call.status_callback_url,
            forward_to=call.forward_to,
            callback_format=CallbackFormat(call.callback_format),
            workspace_id=call.workspace_id,
            started_at=call.started_at or call.created_at,
            recording_url=self._recording_url("{recording_id}"),
        )


def _inline(call: CallRecord) -> Flow | None:
    """The inline actions, which were checked when the call was placed."""
    if call.actions is None:
        return None
    flow = read_actions(call.actions)
    return None if isinstance(flow, FlowInvalid) else flow
