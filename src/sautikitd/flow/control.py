"""Controlled calls: instead of a voice callback, somebody who waits for the call's turns is asked what comes next.

A turn is answered with actions; meanwhile the caller hears the hold audio. A turn that nobody answers in time
is followed by another one; after the second silence in a row the fallback actions run, and the call ends.
"""

import asyncio
from typing import Protocol

import msgspec

from sautikitd.clock import Clock
from sautikitd.flow.callbacks.client import CallbackFailed
from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Question, SessionState
from sautikitd.flow.document import Flow
from sautikitd.flow.journal import EntryKind, FlowEntry, Journal
from sautikitd.flow.port import Audio, Leg, PromptUnavailable

CONTROLLER = "control"
"""In the place of a URL: the controller is asked."""

SILENCES_ALLOWED = 1
"""Turns in a row that may pass unanswered; the next one is the end of it."""

_FOR_EVER = 1000


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An action that ran since the turn before. `facts` are what it came to, sensitive digits masked."""

    verb: str
    outcome: str
    duration_ms: int
    facts: dict[str, str] = {}


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the controller is told. `silences` counts the turns before it, in a row, that nobody answered."""

    state: SessionState
    digits: str = ""
    sensitive: bool = False
    results: dict[str, str] = {}
    done: tuple[Done, ...] = ()
    silences: int = 0


class ControlTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a call is controlled. `timeout_ms` bounds each turn; `opening` runs before the first one."""

    opening: Flow | None = None
    fallback: Flow | None = None
    hold_audio_url: str | None = None
    timeout_ms: int = 10_000


class Controller(Protocol):
    async def ask(self, turn: Turn, timeout_ms: int) -> Flow | None:
        """Puts the turn where the controller reads it; his actions, or None when he was silent for so long."""
        ...


class ControlledCall:
    """The controller's side of one flow."""

    def __init__(self, terms: ControlTerms, controller: Controller, journal: Journal, clock: Clock) -> None:
        self.terms = terms
        self.given_up = False
        """He was silent too often: he is not asked again."""
        self._controller = controller
        self._journal = journal
        self._clock = clock
        self._silences = 0
        self._done: list[Done] = []

    def ran(self, done: Done) -> None:
        """Notes an action, for the next turn."""
        self._done.append(done)

    async def ask(self, leg: Leg, question: Question) -> Flow:
        """What the controller wants done, or the fallback. Raises `CallbackFailed` when there is none."""
        while True:
            flow = await self._turn(leg, question)
            if flow is not None:
                self._silences = 0
                return flow
            self._silences += 1
            if self._silences > SILENCES_ALLOWED:
                self.given_up = True
                return self._fallback()

    async def _turn(self, leg: Leg, question: Question) -> Flow | None:
        turn = Turn(
            state=question.state or SessionState.ANSWERED,
            digits=question.digits,
            sensitive=question.sensitive,
            results=dict(question.results),
            done=tuple(self._done),
            silences=self._silences,
        )
        self._write(EntryKind.ASKED, state=turn.state.value)
        began = self._clock.monotonic()
        flow = await self._heard_on_hold(leg, turn)
        took = round((self._clock.monotonic() - began) * 1000)
        if flow is None:
            self._write(EntryKind.FAILED, outcome=CallbackOutcome.TIMEOUT.value, duration_ms=took)
            return None
        self._done.clear()
        self._write(EntryKind.ANSWERED, duration_ms=took, facts={"actions": str(len(flow.actions))})
        for warning in flow.warnings:
            self._write(EntryKind.WARNING, pointer=warning.pointer, text=warning.reason)
        return flow

    async def _heard_on_hold(self, leg: Leg, turn: Turn) -> Flow | None:
        asking = asyncio.ensure_future(self._controller.ask(turn, self.terms.timeout_ms))
        holding = asyncio.ensure_future(self._hold(leg))
        try:
            await asyncio.wait({asking, holding}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                holding.result()  # the leg is gone
            return await asking
        finally:
            for task in (asking, holding):
                task.cancel()
            await asyncio.gather(asking, holding, return_exceptions=True)

    async def _hold(self, leg: Leg) -> None:
        """Plays the hold audio until cancelled; ends only by `LegGone`."""
        if (url := self.terms.hold_audio_url) is not None:
            try:
                await leg.play([Audio(url=url)], loop=_FOR_EVER)
            except PromptUnavailable as error:
                self._write(EntryKind.WARNING, text=f"no hold audio: {error}")
        while True:
            await leg.wait(3600)

    def _fallback(self) -> Flow:
        if self.terms.fallback is None:
            text = "the controller of this call did not answer, and there are no fallback actions"
            raise CallbackFailed(CallbackOutcome.TIMEOUT, text, url=CONTROLLER)
        self._write(EntryKind.FALLBACK, url=CONTROLLER)
        return self.terms.fallback

    def _write(self, kind: EntryKind, **fields: object) -> None:
        entry = FlowEntry(kind=kind, at=self._clock.now(), url=CONTROLLER)
        self._journal.write(msgspec.structs.replace(entry, **fields))
