"""An answered (or answerable) leg and the flow that runs on it: what both directions share."""

import asyncio
from dataclasses import dataclass, field

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.flow.context import FlowContext
from sautikitd.flow.discretion import DiscreetJournal, Discretion
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.port import Digits, LegGone
from sautikitd.node.answering import AnsweringMachines
from sautikitd.node.books import Books
from sautikitd.node.callback_clients import CallbackClients
from sautikitd.node.dialling.dial import CallDialler
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.flow_facts import context_of
from sautikitd.node.journal import JournalWriter
from sautikitd.node.last_reports import LastReports
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

    books: Books
    journal: JournalWriter
    callbacks: CallbackClients
    reports: LastReports
    dialling: Dialling
    clock: Clock
    public_url: str
    controllers: Controllers
    streams: StreamClient
    rooms: NodeRooms
    flows: LiveFlows = field(default_factory=LiveFlows)

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

    async def report(self, runner: FlowRunner | None, ended: CallRecord, leg: MediaLeg) -> None:
        """Tells the voice callback how the call ended. Without a runner its flow never began."""
        await self.reports.tell(ended, runner, leg.recordings.newest)

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

    def _flow(self, call: CallRecord, leg: MediaLeg) -> LiveFlow:
        discretion = Discretion()  # of the whole call: what one flow has hidden, the next does not tell
        journal = self.journal.of(call)
        discreet = DiscreetJournal(journal, discretion)
        client = self.callbacks.of(call)
        dialler = CallDialler(self.dialling, call, leg)
        streamer = CallStreams(
            client=self.streams,
            legs=StreamLegs(self.dialling),
            call=call,
            leg=leg,
            callbacks=client,
            context=lambda: self._context(call, leg),
            secrets=lambda: self.callbacks.secrets_of(call),
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

    def _context(self, call: CallRecord, leg: MediaLeg) -> FlowContext:
        return context_of(call, self.public_url, answered_at=leg.answered_at, heard=leg.answering)
