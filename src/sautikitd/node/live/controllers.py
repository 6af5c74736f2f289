"""The node's end of controlled calls: turns put into the database, answers taken from commands."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import structlog

from sautikitd.calls.commands import Command, CommandKind
from sautikitd.calls.controlled import turns
from sautikitd.calls.controlled.models import Control, OpenedTurn
from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.database.wake import Waker
from sautikitd.flow.control import SILENCES_ALLOWED, ControlledCall, ControlTerms, Turn
from sautikitd.flow.document import Flow, FlowInvalid
from sautikitd.flow.journal import Journal
from sautikitd.flow.reader import read_actions
from sautikitd.node.live.commander import Handler

log = structlog.get_logger(__name__)

_TRY_AGAIN_S = 0.25


class Controllers:
    """One for the node. `database` and `waker` are the platform's."""

    def __init__(self, database: Database, waker: Waker, clock: Clock) -> None:
        self.database = database
        self.waker = waker
        self.clock = clock
        self._waiting: dict[tuple[UUID, int], asyncio.Future[list[Any]]] = {}

    @property
    def handlers(self) -> dict[CommandKind, Handler]:
        return {CommandKind.CONTROL_RESPOND: self.take_response}

    def of(self, call: CallRecord, journal: Journal) -> ControlledCall | None:
        """What drives the flow of a call that has a controller; None for any other."""
        if call.control is None:
            return None
        control = msgspec.convert(call.control, Control)
        terms = ControlTerms(
            opening=_checked(control.opening_actions),
            fallback=_checked(control.fallback_actions),
            hold_audio_url=control.hold_audio_url,
            timeout_ms=control.timeout_ms,
        )
        return ControlledCall(terms, RemoteController(self, call.id), journal, self.clock)

    async def take_response(self, command: Command) -> str:
        """A `Handler`: hands the actions to the flow that waits for them."""
        waiting = self._waiting.get((command.call_id, int(command.payload["turn"])))
        if waiting is None or waiting.done():
            return "nobody waits for it"
        waiting.set_result(command.payload["actions"])
        return "done"

    async def actions_for(self, call_id: UUID, turn: int, timeout_s: float) -> list[Any] | None:
        """The actions that answer a turn; None when they did not come in time."""
        place = (call_id, turn)
        waiting = self._waiting[place] = asyncio.get_running_loop().create_future()
        late = asyncio.ensure_future(self.clock.sleep(timeout_s))
        try:
            await asyncio.wait({waiting, late}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            late.cancel()
            del self._waiting[place]


class RemoteController:
    """The `Controller` of one call: whoever reads its control events."""

    def __init__(self, controllers: Controllers, call_id: UUID) -> None:
        self._all = controllers
        self._call_id = call_id

    async def ask(self, turn: Turn, timeout_ms: int) -> Flow | None:
        opened = await self._open(turn, timeout_ms)
        if opened is None:
            return None
        actions = await self._all.actions_for(self._call_id, opened.sequence, timeout_ms / 1000)
        if actions is None:
            actions = await self._give_up(opened.sequence, last=turn.silences >= SILENCES_ALLOWED)
        return _checked(actions)

    async def _open(self, turn: Turn, timeout_ms: int) -> OpenedTurn | None:
        """None when the database was away for the whole time of the turn: nobody could be asked."""
        until = self._all.clock.monotonic() + timeout_ms / 1000
        data: dict[str, Any] = msgspec.to_builtins(turn)
        while True:
            try:
                async with self._all.database.transaction() as connection:
                    now = self._all.clock.now()
                    opened = await turns.open_turn(connection, self._call_id, data, timeout_ms, now)
                await self._all.waker.wake(turns.CHANNEL)
                return opened
            except DatabaseUnavailable as exc:
                log.warning("node.turn_waits", call_id=str(self._call_id), error=repr(exc))
            if self._all.clock.monotonic() >= until:
                return None
            await self._all.clock.sleep(_TRY_AGAIN_S)

    async def _give_up(self, sequence: int, *, last: bool) -> list[Any] | None:
        """Closes the turn; the actions where an answer was just faster. A turn that could not be closed is closed
        with the opening of the next."""
        try:
            async with self._all.database.transaction() as connection:
                now = self._all.clock.now()
                answer = await turns.give_up(connection, self._call_id, sequence, now, last=last)
        except DatabaseUnavailable as exc:
            log.warning("node.turn_not_closed", call_id=str(self._call_id), error=repr(exc))
            return None
        await self._all.waker.wake(turns.CHANNEL)
        return answer


def _checked(actions: list[Any] | None) -> Flow | None:
    """The actions, which were checked when they were taken."""
    if actions is None:
        return None
    flow = read_actions(actions)
    return None if isinstance(flow, FlowInvalid) else flow
