"""Runs a flow on a leg: a small machine that begins one action after another until the leg is gone."""

import asyncio
from contextlib import suppress
from uuid import UUID

import msgspec

from sautikitd.clock import Clock, SystemClock
from sautikitd.flow.asker import Asker
from sautikitd.flow.callbacks.client import CallbackClient, CallbackFailed, CallbackReply
from sautikitd.flow.callbacks.question import Question
from sautikitd.flow.context import CallOutcome, Direction, FlowContext
from sautikitd.flow.control import CONTROLLER, ControlledCall, Done
from sautikitd.flow.discretion import DiscreetJournal, Discretion
from sautikitd.flow.document import Flow, FlowWarning
from sautikitd.flow.journal import EntryKind, FlowEntry, Journal, VerbOutcome
from sautikitd.flow.pace import FlowSpinning
from sautikitd.flow.port import (
    Dialled,
    Dialler,
    DialSpec,
    DialStatus,
    Leg,
    LegGone,
    PromptUnavailable,
    Say,
)
from sautikitd.flow.prompts import StockPrompts
from sautikitd.flow.rooms_port import NoRooms, RoomsPort
from sautikitd.flow.state import FlowState
from sautikitd.flow.streams import NoStreams, Streamer
from sautikitd.flow.verbs.dial import DialVerb
from sautikitd.flow.verbs.hangup import HangupVerb
from sautikitd.flow.verbs.registry import AnyVerb

HUNG_UP = "normal_clearing"
"""The hangup cause where the leg named none."""


class FlowRunner:
    """One flow of one call, from its first question to the end of the leg. It is the `Run` of its verbs.

    To replace a running flow, cancel the task that runs it and start a new runner on the same leg. Without a
    `dialler` every dial fails. `control` is of a call that is driven by a controller instead of callbacks.
    """

    def __init__(
        self,
        leg: Leg,
        context: FlowContext,
        client: CallbackClient,
        journal: Journal,
        *,
        prompts: StockPrompts | None = None,
        clock: Clock | None = None,
        state: FlowState | None = None,
        dialler: Dialler | None = None,
        streamer: Streamer | None = None,
        control: ControlledCall | None = None,
        discretion: Discretion | None = None,
        rooms: RoomsPort | None = None,
    ) -> None:
        self._leg = leg
        self._dialler = dialler
        self._streamer = streamer or NoStreams()
        self.rooms: RoomsPort = rooms or NoRooms()
        self._context = context
        self._discretion = discretion or Discretion()
        self._control = control
        self._journal = DiscreetJournal(journal, self._discretion)
        self._prompts = prompts or StockPrompts()
        self._clock = clock or SystemClock()
        self._asker = Asker(context, client, self._journal, self._clock, self._discretion)
        self._state = state
        self._pointer = ""
        self._facts: dict[str, str] = {}

    async def run(self) -> str:
        """Runs until the leg is gone and returns its hangup cause. When the actions run out it hangs up.

        Cancelling it stops the current action and leaves the leg as it is. `LegGone` never leaves here; a
        fault of ours (any other exception) hangs up first.
        """
        self._note_answer()
        try:
            if self._state is None:
                self._state = await self._first_state()
            while (verb := await self._next_action()) is not None:
                await self._perform(verb, self._state.position - 1)
            await self._perform(HangupVerb(), None)
        except LegGone as gone:
            return gone.cause
        except (CallbackFailed, FlowSpinning) as failure:
            return await self._give_up(str(failure))
        except Exception as fault:
            self._write(EntryKind.APOLOGY, text=f"a fault of the platform: {type(fault).__name__}")
            with suppress(LegGone):
                await self._leg.hang_up()
            raise
        return HUNG_UP

    async def report_end(self, outcome: CallOutcome) -> None:
        """Sends the last report to the voice callback, or where the vocabulary has it go, if the call has
        such a URL. For the node to call once the call is settled; takes up to ten seconds and never raises
        `CallbackFailed`."""
        if self._control is None:
            dialled = self._dialler.last if self._dialler is not None else None
            outcome = msgspec.structs.replace(outcome, dialled=dialled)
            await self._asker.report_end(outcome)

    @property
    def state(self) -> FlowState | None:
        """Where the flow stands; None while the first callback is being asked."""
        return self._state

    @property
    def context(self) -> FlowContext:
        return self._context

    @property
    def leg(self) -> Leg:
        return self._leg

    @property
    def inbound(self) -> bool:
        return self._context.direction is Direction.INBOUND

    @property
    def voice_callback(self) -> Question | None:
        if self._controlled:
            return Question(url=CONTROLLER)
        url = self._context.voice_callback_url
        return Question(url=url, method=self._context.voice_method) if url else None

    def absolute(self, reference: str) -> str | None:
        return self._state.absolute(reference) if self._state is not None else None

    def recording_url(self, recording_id: UUID) -> str:
        return self._context.recording_url_of(recording_id)

    def warn(self, reason: str, *, field: str = "") -> None:
        pointer = f"{self._pointer}/{field}" if field else self._pointer
        self._write(EntryKind.WARNING, text=reason, pointer=pointer)

    def tell(self, **facts: str) -> None:
        self._facts.update(facts)

    def hide(self, digits: str) -> None:
        self._discretion.hide(digits)

    async def answer(self) -> None:
        if not self._leg.answered:
            await self._leg.answer()
        self._note_answer()

    async def dial(self, spec: DialSpec) -> Dialled:
        if self._dialler is None:
            return Dialled(status=DialStatus.FAILED, cause="unavailable")
        try:
            return await self._dialler.dial(spec)
        finally:
            self._note_answer()

    @property
    def streams(self) -> Streamer:
        return self._streamer

    async def ask(self, question: Question) -> None:
        await self._leg.wait(0)  # raises where the leg is gone: nobody is asked on behalf of a dead call
        if self._control is not None and question.url == CONTROLLER:
            self._state = FlowState(flow=await self._control.ask(self._leg, question))
            return
        reply = await self._asker.ask(question, self.absolute(question.url))
        self._state = FlowState(flow=reply.flow, base_url=reply.url)

    async def consult(self, question: Question) -> CallbackReply | None:
        return await self._asker.consult(question, self.absolute(question.url))

    def replace(self, reply: CallbackReply) -> None:
        self._state = FlowState(flow=reply.flow, base_url=reply.url)

    @property
    def _controlled(self) -> bool:
        return self._control is not None and not self._control.given_up

    async def _next_action(self) -> AnyVerb | None:
        """The next action of the flow; when they run out, the controller of a controlled call is asked for more."""
        assert self._state is not None
        while (verb := self._state.next_action()) is None and self._controlled:
            await self.ask(Question(url=CONTROLLER))
        return verb

    async def _first_state(self) -> FlowState:
        """Inline actions, else what the voice callback answers, else the default (contract §5, at its end)."""
        context, callback = self._context, self.voice_callback
        if context.actions is not None:
            self._warn_of(context.actions.warnings)
            return FlowState(flow=context.actions, base_url=context.voice_callback_url)
        if self._control is not None:
            opening = self._control.terms.opening or Flow()
            self._warn_of(opening.warnings)
            return FlowState(flow=opening)
        if callback is not None:
            reply = await self._asker.ask(callback, callback.url)
            return FlowState(flow=reply.flow, base_url=reply.url)
        if self.inbound and context.forward_to:
            self._write(EntryKind.DEFAULT, text="no callback and no actions: the call is forwarded")
            return FlowState(flow=Flow(actions=(DialVerb(number=context.forward_to),)))
        if self.inbound and not self._leg.answered:
            self._write(EntryKind.DEFAULT, text="no callback and no actions: the call is rejected")
        else:
            self._write(EntryKind.DEFAULT, text="no callback and no actions: a greeting, then the end")
            await self._speak(self._prompts.greeting)
        return FlowState(flow=Flow())

    async def _perform(self, verb: AnyVerb, position: int | None) -> None:
        """Begins, does and closes one action in the journal, whatever becomes of it."""
        self._facts, before = {}, self._state
        self._pointer = "" if position is None else f"/actions/{position}/{verb.verb_name()}"
        self._write(EntryKind.STARTED, verb=verb.verb_name(), position=position, text=verb.told())
        started, outcome = self._clock.monotonic(), VerbOutcome.FAILED
        try:
            if verb.answers:
                await self.answer()
            await verb.execute(self)
            outcome = VerbOutcome.DONE if self._state is before else VerbOutcome.REPLACED
        except LegGone:
            outcome = VerbOutcome.LEG_GONE
            raise
        except (asyncio.CancelledError, FlowSpinning, CallbackFailed):
            outcome = VerbOutcome.STOPPED
            raise
        finally:
            if verb.takes_time:
                self._asker.took_time()
            took = round((self._clock.monotonic() - started) * 1000)
            if self._control is not None and outcome is not VerbOutcome.REPLACED:
                ran = Done(
                    verb=verb.verb_name(), outcome=outcome.value, duration_ms=took, facts=dict(self._facts)
                )
                self._control.ran(ran)
            self._write(
                EntryKind.ENDED,
                verb=verb.verb_name(),
                position=position,
                outcome=outcome.value,
                duration_ms=took,
                facts=self._facts,
            )
            self._pointer = ""

    def _note_answer(self) -> None:
        if self._leg.answered and self._asker.answered_at is None:
            self._asker.answered_at = self._clock.now()

    async def _give_up(self, reason: str) -> str:
        """A short apology and the end, when no callback gave a flow that could be run."""
        self._write(EntryKind.APOLOGY, text=reason[:300])
        try:
            await self._speak(self._prompts.apology)
            await self._leg.hang_up()
        except LegGone as gone:
            return gone.cause
        return HUNG_UP

    async def _speak(self, sentence: Say) -> None:
        await self.answer()
        try:
            await self._leg.play([sentence])
        except PromptUnavailable as error:
            self.warn(f"nothing was said: {error}")

    def _warn_of(self, warnings: tuple[FlowWarning, ...]) -> None:
        for warning in warnings:
            self._write(EntryKind.WARNING, pointer=warning.pointer, text=warning.reason)

    def _write(self, kind: EntryKind, **fields: object) -> None:
        entry = FlowEntry(kind=kind, at=self._clock.now())
        self._journal.write(msgspec.structs.replace(entry, **fields))
