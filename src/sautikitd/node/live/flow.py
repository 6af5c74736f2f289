"""The flow of a running call, which somebody outside may replace while it runs."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.clock import Clock
from sautikitd.flow.context import FlowContext
from sautikitd.flow.document import Flow
from sautikitd.flow.interpreter import FlowRunner
from sautikitd.flow.journal import EntryKind, FlowEntry, Journal
from sautikitd.voice.leg import MediaLeg


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What a call does from now on: `actions`, or what `voice_callback_url` answers; with both, the URL is where
    `getDigits` asks by default."""

    actions: Flow | None = None
    voice_callback_url: str | None = None


class LiveFlow:
    """Runs a call's flow, and whatever takes its place, until the leg is gone.

    `make` makes a runner for the context it is given; `context` tells the facts of the call as they are now.
    """

    def __init__(
        self,
        leg: MediaLeg,
        *,
        context: Callable[[], FlowContext],
        make: Callable[[FlowContext], FlowRunner],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._leg = leg
        self._context = context
        self._make = make
        self.journal = journal
        self._clock = clock
        self._wanted: asyncio.Future[Replacement] | None = None
        self._callback_url: str | None = None
        self._begun = False
        self.runner = make(context())

    def replace(self, wanted: Replacement) -> None:
        """Stops the action that runs, and with it what it had started, and goes on with the new flow. One that has
        not begun, because it is still being found out who answered, begins with it."""
        if not self._begun:
            self.start_with(wanted)
            return
        if self._wanted is None or self._wanted.done():
            self._wanted = asyncio.get_running_loop().create_future()
        self._wanted.set_result(wanted)

    def know_answerer(self, answered_by: str | None, greeting_end: str | None) -> None:
        """Tells a flow that has not begun who answered the call."""
        if answered_by is not None:
            known = msgspec.structs.replace(
                self.runner.context, answered_by=answered_by, greeting_end=greeting_end
            )
            self.runner = self._make(known)

    def start_with(self, wanted: Replacement) -> None:
        """Replaces a flow that has not begun."""
        self._callback_url = wanted.voice_callback_url or self._callback_url
        context = msgspec.structs.replace(self._context(), actions=wanted.actions, forward_to=None)
        if self._callback_url is not None:
            context = msgspec.structs.replace(context, voice_callback_url=self._callback_url)
        self.runner = self._make(context)

    async def run(self) -> None:
        """Returns when the leg is gone, or a flow has come to its end."""
        self._begun = True
        while wanted := await self._until_replaced():
            if self._leg.ended:
                return
            text = "by actions" if wanted.actions is not None else "by a voice callback"
            self.journal.write(FlowEntry(kind=EntryKind.TAKEN_OVER, at=self._clock.now(), text=text))
            self.start_with(wanted)

    async def _until_replaced(self) -> Replacement | None:
        """Runs the runner there is; what is to take its place, None when it came to its end."""
        if self._wanted is None or self._wanted.done():
            self._wanted = asyncio.get_running_loop().create_future()
        wanted, running = self._wanted, asyncio.ensure_future(self.runner.run())
        either: set[asyncio.Future[Any]] = {wanted, running}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not wanted.done():
                running.result()
                return None
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return wanted.result()


class LiveFlows:
    """The flows that run on this node, by call."""

    def __init__(self) -> None:
        self._running: dict[UUID, LiveFlow] = {}
        self._early: dict[UUID, Replacement] = {}

    def begin(self, call_id: UUID, flow: LiveFlow) -> None:
        self._running[call_id] = flow
        if early := self._early.pop(call_id, None):
            flow.start_with(early)

    def end(self, call_id: UUID) -> None:
        self._running.pop(call_id, None)

    def of(self, call_id: UUID) -> LiveFlow | None:
        return self._running.get(call_id)

    def replace(self, call_id: UUID, wanted: Replacement) -> bool:
        """Whether a flow was there to be replaced; else the call begins with `wanted` when it is answered."""
        if flow := self._running.get(call_id):
            flow.replace(wanted)
            return True
        self._early[call_id] = wanted
        return False

    def forget_early(self, still_there: Callable[[UUID], bool]) -> None:
        """Drops what was meant for calls that have ended unanswered."""
        self._early = {call_id: wanted for call_id, wanted in self._early.items() if still_there(call_id)}
